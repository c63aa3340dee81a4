"""A watched folder on a real file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interlock.domain.errors import FieldError, InterlockError, InvalidInput, Unavailable
from interlock.ingress.watched_folder import FILES_PER_LOOK_MAX, WatchedFolders


class Intake:
    """Makes tasks as the product does: one for a key."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[str, str, bytes]] = {}
        self.calls = 0
        self.error: BaseException | None = None

    async def __call__(self, automation: str, filename: str, data: bytes, idempotency_key: str) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.tasks.setdefault(idempotency_key, (automation, filename, data))
        return f"task_{idempotency_key}"


@pytest.fixture
def intake() -> Intake:
    return Intake()


@pytest.fixture
def watched(tmp_path: Path, intake: Intake) -> WatchedFolders:
    return WatchedFolders([("expenses", tmp_path)], intake, size_bytes_max=100)


async def looks(watched: WatchedFolders, count: int = 2) -> int:
    return sum([await watched.once() for _ in range(count)])


async def test_a_file_becomes_a_task_and_is_moved_to_done(
    tmp_path: Path, watched: WatchedFolders, intake: Intake
) -> None:
    (tmp_path / "receipt.jpg").write_bytes(b"jpeg")
    assert await watched.once() == 0
    assert await watched.once() == 1
    assert list(intake.tasks.values()) == [("expenses", "receipt.jpg", b"jpeg")]
    assert (tmp_path / "done" / "receipt.jpg").read_bytes() == b"jpeg"
    assert not (tmp_path / "receipt.jpg").exists()
    assert await looks(watched) == 0


async def test_a_file_that_still_grows_is_waited_for(tmp_path: Path, watched: WatchedFolders, intake: Intake) -> None:
    path = tmp_path / "slow.pdf"
    for content in (b"a", b"ab", b"abc"):
        path.write_bytes(content)
        assert await watched.once() == 0
    assert await watched.once() == 1
    assert [data for _, _, data in intake.tasks.values()] == [b"abc"]


async def test_a_crash_before_the_move_does_not_make_two_tasks(tmp_path: Path, intake: Intake) -> None:
    path = tmp_path / "receipt.jpg"
    path.write_bytes(b"jpeg")
    looked = path.stat()
    await looks(WatchedFolders([("expenses", tmp_path)], intake, size_bytes_max=100))
    (tmp_path / "done" / "receipt.jpg").rename(path)  # as if it had not been moved
    assert path.stat().st_mtime_ns == looked.st_mtime_ns
    await looks(WatchedFolders([("expenses", tmp_path)], intake, size_bytes_max=100))
    assert (intake.calls, len(intake.tasks)) == (2, 1)


async def test_the_same_receipt_put_there_later_is_another_task(
    tmp_path: Path, watched: WatchedFolders, intake: Intake
) -> None:
    for time_s in (1_000, 2_000):
        (tmp_path / "receipt.jpg").write_bytes(b"jpeg")
        os.utime(tmp_path / "receipt.jpg", (time_s, time_s))
        await looks(watched)
    assert len(intake.tasks) == 2
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["receipt-2.jpg", "receipt.jpg"]


async def test_what_is_refused_says_why(tmp_path: Path, watched: WatchedFolders, intake: Intake) -> None:
    (tmp_path / "note.txt").write_bytes(b"hello")
    intake.error = InvalidInput(
        "No picture.", fix="Send a JPEG.", fields=[FieldError(pointer="/receipt", detail="no picture")]
    )
    assert await looks(watched) == 1
    assert (tmp_path / "refused" / "note.txt").read_bytes() == b"hello"
    assert (tmp_path / "refused" / "note.txt.txt").read_text() == "No picture. Send a JPEG.\n/receipt: no picture\n"
    assert [path.name for path in tmp_path.iterdir()] == ["refused"]


async def test_what_the_automation_does_not_take_is_refused_unread(tmp_path: Path, intake: Intake) -> None:
    letters = tmp_path / "letters"
    letters.mkdir()
    suffixes = {"expenses": (".jpg", ".pdf")}
    folders = [("expenses", tmp_path), ("letters", letters)]
    watched = WatchedFolders(folders, intake, size_bytes_max=100, suffixes=suffixes)
    for path in (tmp_path / "a.JPG", tmp_path / "b.webp", tmp_path / "c", letters / "d.webp"):
        path.write_bytes(path.name.encode())
    assert await looks(watched) == 4
    assert sorted(name for _, name, _ in intake.tasks.values()) == ["a.JPG", "d.webp"]
    why = (tmp_path / "refused" / "b.webp.txt").read_text()
    assert why == "expenses takes no files of this kind. Put one there whose name ends in .jpg or .pdf.\n"


async def test_what_can_be_tried_again_stays(tmp_path: Path, watched: WatchedFolders, intake: Intake) -> None:
    (tmp_path / "receipt.jpg").write_bytes(b"jpeg")
    intake.error = Unavailable("The database does not answer.")
    assert await looks(watched, 3) == 0
    assert (tmp_path / "receipt.jpg").exists()
    intake.error = None
    assert await watched.once() == 1


async def test_a_large_file_is_refused_unread(tmp_path: Path, watched: WatchedFolders, intake: Intake) -> None:
    (tmp_path / "large.jpg").write_bytes(b"x" * 101)
    (tmp_path / "just.jpg").write_bytes(b"x" * 100)
    assert await looks(watched) == 2
    assert "101 bytes" in (tmp_path / "refused" / "large.jpg.txt").read_text()
    assert [name for _, name, _ in intake.tasks.values()] == ["just.jpg"]


async def test_what_is_no_plain_visible_file_is_left_alone(
    tmp_path: Path, watched: WatchedFolders, intake: Intake, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("other") / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "link.jpg").symlink_to(secret)
    (tmp_path / ".hidden.jpg").write_bytes(b"x")
    for unfinished in ("a.jpg.part", "a.pdf.crdownload", "a.TMP"):
        (tmp_path / unfinished).write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside.jpg").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert await looks(watched, 3) == 0
    assert intake.calls == 0


async def test_a_file_that_is_replaced_while_it_is_handed_in_is_left_for_the_next_look(tmp_path: Path) -> None:
    path, seen = tmp_path / "receipt.jpg", list[bytes]()

    async def replacing(automation: str, filename: str, data: bytes, key: str) -> str:
        seen.append(data)
        if len(seen) == 1:
            (tmp_path / ".new").write_bytes(b"second")
            (tmp_path / ".new").rename(path)
        return "task_1"

    path.write_bytes(b"first")
    watched = WatchedFolders([("expenses", tmp_path)], replacing, size_bytes_max=100)
    assert await looks(watched) == 0
    assert await looks(watched) == 1
    assert seen == [b"first", b"second"]


async def test_a_folder_that_is_missing_is_waited_for(tmp_path: Path, intake: Intake) -> None:
    folder = tmp_path / "later"
    watched = WatchedFolders([("expenses", folder), ("triage", tmp_path)], intake, size_bytes_max=100)
    assert await looks(watched) == 0
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    (tmp_path / "b.jpg").write_bytes(b"b")
    assert await looks(watched) == 2
    assert sorted(automation for automation, _, _ in intake.tasks.values()) == ["expenses", "triage"]


async def test_one_look_takes_a_limited_number(tmp_path: Path, watched: WatchedFolders) -> None:
    for number in range(FILES_PER_LOOK_MAX + 1):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    assert await looks(watched) == FILES_PER_LOOK_MAX
    assert await watched.once() == 1


async def test_an_unforeseen_error_is_not_swallowed(tmp_path: Path, watched: WatchedFolders, intake: Intake) -> None:
    (tmp_path / "receipt.jpg").write_bytes(b"jpeg")
    intake.error = RuntimeError("a defect")
    with pytest.raises(RuntimeError):
        await looks(watched)
    assert not isinstance(intake.error, InterlockError)
    assert (tmp_path / "receipt.jpg").exists()
