"""Downloads MagnaTagATune from its home, verifies the files, and extracts the audio safely."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import pooch
import requests

from howlow import files
from howlow.errors import HowlowError

METADATA = ("annotations_final.csv", "clip_info_final.csv")
PARTS = ("mp3.zip.001", "mp3.zip.002", "mp3.zip.003")
"""The three parts of one ZIP archive."""

CHECKSUMS = "checksums.json"
"""A file with the SHA-256 of each download. They are recorded at the first download and verified from then on."""

MAX_EXPANSION = 4
"""The largest total size of the extracted files, in sizes of the archive. MP3s are compressed already."""

_ATTEMPTS = 3


class DownloadError(HowlowError):
    """A file could not be downloaded or extracted. The message names it and says what to do."""


def download(url: str, root: Path | str) -> None:
    """Download the dataset to a folder: the two tables, and the audio as `mp3/0/` to `mp3/f/`.

    Files that are there already are verified and not downloaded again. The parts of the archive are kept. Once the
    audio is extracted, they may be deleted.

    Parameters
    ----------
    url : the URL of the folder with the files, with a slash at its end
    root : folder, which is made if it is missing

    Raises
    ------
    DownloadError
        if a file can't be downloaded, its checksum differs from that of its first download, or the archive is unsafe
    """
    root = Path(root)
    for name in (*METADATA, *PARTS):
        fetch(url, name, root)
    if not (root / "mp3").is_dir():
        archive = root / ".mp3.zip.part"
        try:
            with archive.open("wb") as whole:
                for part in PARTS:
                    with (root / part).open("rb") as piece:
                        shutil.copyfileobj(piece, whole, 1 << 20)
            extract(archive, root / "mp3")
        finally:
            archive.unlink(missing_ok=True)


def fetch(url: str, name: str, folder: Path) -> Path:
    """Download a file unless it is there with the recorded checksum. A broken transfer is tried again."""
    known = files.read_json(folder / CHECKSUMS) if (folder / CHECKSUMS).is_file() else {}
    checksum = known.get(name)
    if checksum and (folder / name).is_file() and files.sha256(folder / name) == checksum:
        return folder / name
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            pooch.retrieve(
                urljoin(url, name),
                known_hash=checksum and f"sha256:{checksum}",
                fname=name,
                path=folder,
                progressbar=True,
            )
            break
        except ValueError:
            raise DownloadError(
                f"{urljoin(url, name)}: its content is not that of the first download (SHA-256 {checksum} in"
                f" {folder / CHECKSUMS}); if the dataset has changed, delete that entry"
            ) from None
        except (requests.RequestException, OSError) as error:
            if attempt == _ATTEMPTS:
                reason = " ".join(str(error).split())
                raise DownloadError(f"{urljoin(url, name)}: not downloaded in {_ATTEMPTS} attempts: {reason}") from None
    if not checksum:
        files.write_json(folder / CHECKSUMS, known | {name: files.sha256(folder / name)})
    return folder / name


def extract(archive: Path, folder: Path) -> None:
    """Extract a ZIP archive to a folder, whole or not at all.

    Raises
    ------
    DownloadError
        if the archive is broken, a path leads out of the folder, an entry is a link, or its files are larger than
        `MAX_EXPANSION` times the archive
    """
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            _check_entries(content.infolist(), archive.stat().st_size)
            for entry in content.infolist():
                target = beside / entry.filename
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                # zipfile reads no more than the declared size, and raises an error if the checksum differs.
                with content.open(entry) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
        beside.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # the last: encrypted
        raise DownloadError(f"{folder.name}.zip: a broken archive: {error}; delete its parts and run again") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_entries(entries: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise DownloadError(
                f"the archive holds {entry.filename!r}, which leads out of its folder; nothing was kept"
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DownloadError(f"the archive holds {entry.filename!r}, which is a link; nothing was kept")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_EXPANSION * archive_bytes:
        raise DownloadError(
            f"the archive of {archive_bytes:,} bytes declares files of {total:,} bytes, more than {MAX_EXPANSION} times"
            " as many; nothing was extracted"
        )
