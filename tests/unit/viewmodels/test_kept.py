"""What is told about entered values that were not restored."""

from kiview.core.kept import NOTHING, Kept, Restored
from kiview.viewmodels.kept import left_out_text


def test_that_values_are_said_to_be_lost_only_where_there_were_some():
    busy = "The study library stays busy."
    unknown = left_out_text(Restored(reason=busy))
    assert unknown == f"Values that you may have entered before are not restored. {busy}"
    lost = left_out_text(Restored(NOTHING, Kept({"weight_kg": 82.0}), busy))
    assert lost == f"Not restored: weight 82 kg. {busy} Enter again what still holds."
