"""Downloading MagnaTagATune, from a local server with a small archive of the same form, and its failures."""

import http.server
import io
import stat
import threading
import zipfile

import pytest

from howlow import files
from howlow.data import download

AUDIO = {f"{folder}/song-{folder}.mp3": f"audio of {folder}".encode() * 50 for folder in "0cf"}


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` (bytes by name), breaks off the first `n_broken` transfers, and counts requests in `served`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content: dict[str, bytes] = {}
        self.served: list[str] = []
        self.n_broken = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data/"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/data/")
        self.server.served.append(name)
        body = self.server.content.get(name)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.n_broken:
            self.server.n_broken -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def zipped(entries: dict[str, bytes], **attributes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", zipfile.ZIP_DEFLATED if attributes.pop("deflate", 0) else zipfile.ZIP_STORED
    ) as z:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = z.compression
            info.external_attr = attributes.get(name.replace("/", "_"), 0)
            z.writestr(info, content)
    return buffer.getvalue()


def in_three(archive: bytes) -> dict[str, bytes]:
    third = len(archive) // 3
    pieces = archive[:third], archive[third : 2 * third], archive[2 * third :]
    return dict(zip(download.PARTS, pieces, strict=True))


@pytest.fixture
def server():
    server = Server()
    tables = {"annotations_final.csv": b'"clip_id"\t"guitar"\t"mp3_path"\n', "clip_info_final.csv": b"clip_id\n"}
    server.content = tables | in_three(zipped(AUDIO))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def audio(root):
    return {str(path.relative_to(root / "mp3")): path.read_bytes() for path in root.glob("mp3/*/*")}


def test_downloads_joins_and_extracts(server, tmp_path):
    download.download(server.url, tmp_path)
    assert audio(tmp_path) == AUDIO
    assert (tmp_path / "annotations_final.csv").read_bytes() == server.content["annotations_final.csv"]
    assert set(files.read_json(tmp_path / "checksums.json")) == set(server.content)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_second_run_downloads_nothing(server, tmp_path):
    download.download(server.url, tmp_path)
    server.served.clear()
    download.download(server.url, tmp_path)
    assert server.served == []


def test_broken_transfer_is_tried_again(server, tmp_path):
    server.n_broken = 2
    download.download(server.url, tmp_path)
    assert audio(tmp_path) == AUDIO


def test_transfer_that_keeps_breaking_is_an_error(server, tmp_path):
    server.n_broken = 100
    with pytest.raises(download.DownloadError, match=r"annotations_final\.csv: not downloaded in 3 attempts"):
        download.download(server.url, tmp_path)
    assert not (tmp_path / "annotations_final.csv").exists()


def test_missing_file_is_named(server, tmp_path):
    del server.content["mp3.zip.002"]
    with pytest.raises(download.DownloadError, match=r"mp3\.zip\.002: not downloaded .*404"):
        download.download(server.url, tmp_path)
    assert not (tmp_path / "mp3").exists()


def test_other_content_than_at_first_is_refused(server, tmp_path):
    download.download(server.url, tmp_path)
    (tmp_path / "annotations_final.csv").unlink()
    server.content["annotations_final.csv"] += b"changed"
    with pytest.raises(download.DownloadError, match="not that of the first download"):
        download.download(server.url, tmp_path)
    assert not (tmp_path / "annotations_final.csv").exists()


def test_damaged_file_is_downloaded_again(server, tmp_path):
    download.download(server.url, tmp_path)
    (tmp_path / "annotations_final.csv").write_bytes(b"damaged")
    download.download(server.url, tmp_path)
    assert (tmp_path / "annotations_final.csv").read_bytes() == server.content["annotations_final.csv"]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (zipped(AUDIO | {"../escaped.mp3": b"x"}), r"'\.\./escaped\.mp3', which leads out"),
        (zipped(AUDIO | {"/tmp/escaped.mp3": b"x"}), "which leads out"),
        (zipped(AUDIO | {"0\\..\\..\\escaped.mp3": b"x"}), "which leads out"),
        (zipped(AUDIO | {"link": b"/etc"}, link=stat.S_IFLNK << 16), "'link', which is a link"),
        (zipped({"0/bomb.mp3": bytes(10_000_000)}, deflate=1), "declares files of 10,000,000 bytes, more than 4 times"),
        (zipped(AUDIO)[:-30], "a broken archive"),
        (zipped(AUDIO).replace(b"audio of c", b"audio of X"), "a broken archive: Bad CRC"),
    ],
)
def test_archives_that_are_not_safe_leave_nothing(archive, message, server, tmp_path):
    server.content |= in_three(archive)
    root = tmp_path / "inner" / "data"
    with pytest.raises(download.DownloadError, match=message):
        download.download(server.url, root)
    assert not (root / "mp3").exists()
    assert {path.name for path in root.iterdir()} == set(server.content) | {"checksums.json"}
    assert [path.name for path in (tmp_path / "inner").iterdir()] == ["data"]


def test_damaged_compression_is_an_error(server, tmp_path):
    archive = bytearray(zipped({"0/song.mp3": b"audio" * 10}, deflate=1))
    start = archive.find(b"song.mp3") + len("song.mp3")
    archive[start : start + 5] = b"\xff" * 5
    server.content |= in_three(bytes(archive))
    with pytest.raises(download.DownloadError, match="a broken archive"):
        download.download(server.url, tmp_path)
    assert not (tmp_path / "mp3").exists()


def test_more_than_declared_is_not_extracted(server, tmp_path):
    """The directory of the archive declares 10 bytes, and the data are far longer."""
    archive = bytearray(zipped({"0/bomb.mp3": bytes(1_000_000)}, deflate=1))
    real = (1_000_000).to_bytes(4, "little")
    while (at := archive.find(real)) >= 0:
        archive[at : at + 4] = (10).to_bytes(4, "little")
    server.content |= in_three(bytes(archive))
    with pytest.raises(download.DownloadError, match="a broken archive"):
        download.download(server.url, tmp_path)
    assert not (tmp_path / "mp3").exists()
