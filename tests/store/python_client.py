"""What people do with clickhouse-connect: PORT, and the passwords of sensor and reader, are the arguments."""

import datetime
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

port, sensor, reader = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def connect(user, password, **options):
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username=user, password=password, database="python", **options
    )


now = datetime.datetime(2026, 1, 2, 3, 4, 5)
rows = [[n, f"text {n}\n\n;", None if n % 2 else now, ["a", str(n)], f"kind {n % 3}"] for n in range(5000)]
for number, compress in enumerate([True, False, "lz4", "zstd", "gzip"]):
    client = connect("sensor", sensor, compress=compress)
    table = f"t{number}"
    client.command(
        f"CREATE TABLE {table} (n UInt32, s String, at Nullable(DateTime), tags Array(String), "
        "kind LowCardinality(String)) ENGINE = MergeTree ORDER BY n"
    )
    client.insert(table, rows, column_names=["n", "s", "at", "tags", "kind"])
    back = client.query(f"SELECT * FROM {table} ORDER BY n").result_rows
    assert [list(row) for row in back] == rows, (compress, back[:2])
    assert client.command(f"SELECT count() FROM {table}") == 5000
    with client.query_row_block_stream(f"SELECT n FROM {table} ORDER BY n") as stream:
        assert sum(len(block) for block in stream) == 5000
    found = client.query(
        "SELECT {text:String}, {n:UInt32}, {at:DateTime}", parameters={"text": "a'b\n\\", "n": 3, "at": now}
    ).result_rows
    assert found == [("a'b\n\\", 3, now)], found
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    assert client.raw_query("SELECT 1 AS x", fmt="JSONEachRow") == b'{"x":1}\n'
    client.close()

client = connect("reader", reader)
assert client.query("SELECT sum(n) FROM t0").result_rows == [(sum(range(5000)),)]
for statement in ["DROP TABLE t0", "SELECT * FROM no_such_table", "SELECT * FROM file('/etc/passwd', 'LineAsString')"]:
    try:
        client.command(statement)
    except DatabaseError as error:
        assert "DB::Exception" in str(error), error
    else:
        raise AssertionError(statement)
print("fine")
