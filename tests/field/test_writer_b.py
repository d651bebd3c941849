"""Writer B's stand-in does what the real one was seen to do."""

from tests.field.writer_b import WriterB, writer_b

__all__ = ["writer_b"]


def test_its_worker_takes_what_it_submits_and_stops_at_what_it_cannot_parse(writer_b: WriterB) -> None:
    first = writer_b.submit()
    assert writer_b.run() == [first]
    done = writer_b.get(first)
    assert done is not None
    assert done.status == "completed"
    assert done.progress.percentage == 100
    bad = writer_b.submit(project_request_id=None)
    assert writer_b.run() == []
    assert "project_request_id" in writer_b.seen
    writer_b.submit()
    page = writer_b.client.scan(TableName=writer_b.requests)["Items"]
    pending = [item["request_id"]["S"] for item in page if item["status"]["S"] == "pending"]
    taken = writer_b.run()
    assert taken == pending[: pending.index(bad)], "what is behind it in the Scan is never taken"
