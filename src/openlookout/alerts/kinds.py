"""What alerts are about. A kind is an opening (something is wrong or new) or the end of an earlier one."""

from typing import Final

EVENT_STARTED: Final = "event_started"
EVENT_ENDED: Final = "event_ended"
EXECUTION_FAILED: Final = "execution_failed"
EXECUTION_RECOVERED: Final = "execution_recovered"
DATA_SILENT: Final = "data_silent"
DATA_RETURNED: Final = "data_returned"
TRAINING_FINISHED: Final = "training_finished"
TRAINING_FAILED: Final = "training_failed"
VERSION_PROMOTED: Final = "version_promoted"
# Not of the outbox: what a test sends, and many alerts in one message.
TEST: Final = "test"
DIGEST: Final = "digest"

KINDS: Final[dict[str, str]] = {
    EVENT_STARTED: "A model's rows became anomalous, and stayed so as long as its rule asks for.",
    EVENT_ENDED: "An event that was told is over: duration and leading sensors.",
    EXECUTION_FAILED: "An execution failed; those that fail after it in a row are not told.",
    EXECUTION_RECOVERED: "After failed executions one succeeded.",
    DATA_SILENT: "No row was scored for longer than the model's rule allows.",
    DATA_RETURNED: "After a silence a row was scored.",
    TRAINING_FINISHED: "A training or retraining made a version.",
    TRAINING_FAILED: "A training or retraining made none.",
    VERSION_PROMOTED: "Another version became the active one, by a retraining or by hand.",
}
