"""The text of a syntax tree is the same under every Python, namely the text in this file."""

import ast

import pytest

from howlow.provenance import syntax


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "def f(a, *, b=None) -> int: return a",
            "Module(body=[FunctionDef(name='f', args=arguments(args=[arg(arg='a')], kwonlyargs=[arg(arg='b')],"
            " kw_defaults=[Constant()]), body=[Return(value=Name(id='a', ctx=Load()))], returns=Name(id='int',"
            " ctx=Load()))])",
        ),
        ("class C: pass", "Module(body=[ClassDef(name='C', body=[Pass()])])"),
        (
            "f'{a:<{b}}'",
            "Module(body=[Expr(value=JoinedStr(values=[FormattedValue(value=Name(id='a', ctx=Load()), conversion=-1,"
            " format_spec=JoinedStr(values=[Constant(value='<'), FormattedValue(value=Name(id='b', ctx=Load()),"
            " conversion=-1)]))]))])",
        ),
        ("f()", "Module(body=[Expr(value=Call(func=Name(id='f', ctx=Load())))])"),
    ],
)
def test_text_of_a_syntax_tree(source, text):
    assert syntax.text(ast.parse(source)) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = None", "x = 0"),
        ("x = []", "x = ()"),
        ("f(1)", "f()"),
        ("x = 'a'", "x = b'a'"),
        ("['a']", "['', 'a']"),
    ],
)
def test_different_code_has_different_text(one, other):
    assert syntax.text(ast.parse(one)) != syntax.text(ast.parse(other))
