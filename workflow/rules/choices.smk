# These rules weigh accuracy against cost: what to take, what each way to save costs, and what a budget affords.


rule tradeoff:
    input:
        of_experiments("summary.csv"),
        of_experiments("runs.csv"),
        of_experiments("times.csv"),
        of_experiments("bootstrap.npz"),
        changed=changed("tradeoff"),
    output:
        record=record("tradeoff"),
        table=report(
            "results/tradeoff.csv",
            category="Trade-off",
            caption="../report/tradeoff.rst",
            labels={"result": "All figures (CSV)"},
        ),
        text="results/recommendation.md",
        page=report(
            "results/recommendation.html",
            category="Trade-off",
            caption="../report/recommendation.rst",
            labels={"result": "Which representation to take"},
        ),
        pdf="results/tradeoff.pdf",
        png=report(
            "results/tradeoff.png",
            category="Trade-off",
            caption="../report/tradeoff.rst",
            labels={"result": "Accuracy against cost"},
        ),
    log:
        "logs/tradeoff.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("tradeoff"),
    shell:
        program(
            "tradeoff",
            "--results results --table {output.table} --text {output.text} --page {output.page} --figures {output.pdf} {output.png}",
        )


rule exchange:
    input:
        of_experiments("bootstrap.npz"),
        changed=changed("exchange"),
        runs="results/runs.csv",
        tradeoff="results/tradeoff.csv",
    output:
        record=record("exchange"),
        table=report(
            "results/exchange.csv",
            category="Trade-off",
            caption="../report/exchange.rst",
            labels={"result": "What saving costs (CSV)"},
        ),
        text="results/exchange.md",
        pdf="results/exchange.pdf",
        png=report(
            "results/exchange.png",
            category="Trade-off",
            caption="../report/exchange.rst",
            labels={"result": "What saving costs"},
        ),
    log:
        "logs/exchange.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("exchange"),
    shell:
        program(
            "exchange",
            "--results results --runs {input.runs} --tradeoff {input.tradeoff} --table {output.table} --text {output.text}"
            " --figures {output.pdf} {output.png}",
        )


rule frontier:
    input:
        changed=changed("frontier"),
        tradeoff="results/tradeoff.csv",
    output:
        record=record("frontier"),
        table=report(
            "results/frontier.csv",
            category="Trade-off",
            caption="../report/frontier.rst",
            labels={"result": "The best cell within a budget (CSV)"},
        ),
        text="results/frontier.md",
    log:
        "logs/frontier.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        spec=spec("frontier"),
    shell:
        program("frontier", "--tradeoff {input.tradeoff} --table {output.table} --text {output.text}")
