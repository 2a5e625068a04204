"""Full disks: files that may not grow past a size, and a file system that has no room left."""

import shutil
import subprocess

from jaxml.runs.directory import RunDirectory
from tests.resilience.project import COMMAND, Count, Project, differences

KILOBYTES = (8, 64, 512)
TMPFS_KILOBYTES = (48, 300)


def full_disks(project: Project, reference: RunDirectory) -> list[Count]:
    """A run meets a limit, says so, and goes on once there is room: equal to the bit."""
    limits, rooms = Count("no file larger than a limit"), Count("a file system without room")
    for size in KILOBYTES:
        runs = f"limit{size}"
        code, text = project.run("--runs", runs, before=["sh", "-c", f'ulimit -f {2 * size}; exec "$@"', "sh"])
        if code not in (2, 3) or "Traceback" in text:
            limits.fail(f"{size} KiB: exit code {code}: {text[-300:]}")
            continue
        code, text = project.run("--runs", runs)
        wrong = [text[-300:]] if code else differences(project.the_run(runs), reference)
        limits.fail(f"{size} KiB: {wrong}") if wrong else limits.add("said so, then equal to the bit")
    if not _can_mount():
        rooms.add("not tried: mounting needs privileges")
        return [limits, rooms]
    for size in TMPFS_KILOBYTES:
        (project.root / "mounted").mkdir(exist_ok=True)
        script = f"""mount -t tmpfs -o size={size}k tmpfs mounted
"$@" 2> first; echo $? >> first
mount -o remount,size=64m mounted
"$@" 2> second; echo $? >> second
cp -r mounted copied{size}"""
        before = ["unshare", "-rm", "sh", "-c", script, "sh", *COMMAND, "run", "configs/toy.yaml", "--runs", "mounted"]
        subprocess.run(before, cwd=project.root, env=project.environment(), timeout=600)
        first, second = ((project.root / name).read_text() for name in ("first", "second"))
        if first.split()[-1] not in ("2", "3") or "Traceback" in first:
            rooms.fail(f"{size} KiB: {first[-300:]}")
            continue
        wrong = (
            [second[-300:]] if second.split()[-1] != "0" else differences(project.the_run(f"copied{size}"), reference)
        )
        rooms.fail(f"{size} KiB: {wrong}") if wrong else rooms.add("said so, then equal to the bit")
    return [limits, rooms]


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(tried, capture_output=True).returncode == 0
