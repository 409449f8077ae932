"""Uploads: the changed windows of the spool become files of the bucket, once they are over, and again when more comes.

A window is written as a whole each time: a reader sees the old file or the new one. The service scores a file that
changed after its window again, as it does with any late file.
"""

from openlookout.buckets.errors import BucketError
from openlookout.collect.spool import Spool
from openlookout.collect.target import Target, Writer
from openlookout.logs import logger

# So long after its last upload a window's readings are kept, for late ones to complete its file.
KEEP_US = 72 * 3600 * 1_000_000

log = logger(__name__)


def upload(spool: Spool, target: Target, buckets: Writer, now_us: int, settle_us: int) -> int:
    """Upload what is to be uploaded at `now_us`; give how many files were written.

    A window is waited for `settle_us` after its end, for readings on their way. A bucket that does not answer leaves
    what is left for the next time.
    """
    n_written = 0
    for window in spool.changed(now_us - settle_us):
        if window.component not in target.sensors:
            spool.note_uploaded(window, now_us)
            continue
        if spool.is_forgotten(window):
            log.warning("readings came too late for their file", component=window.component, start_us=window.start_us)
            spool.note_uploaded(window, now_us)
            continue
        content = target.text(window.component, spool.readings(window))
        key = target.key(window.component, window.start_us)
        try:
            buckets.write(target.bucket, key, content)
        except BucketError as error:
            log.warning("the bucket does not take a file; it is tried again", key=key, reason=str(error))
            return n_written
        spool.note_uploaded(window, now_us)
        n_written += 1
    spool.forget(now_us - KEEP_US)
    return n_written
