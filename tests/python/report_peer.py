"""The figures of `headcount report`, as far as a column store has them, by DuckDB or chdb.

    report_peer.py duckdb|chdb EVENTS THREADS

reads a file of newline-delimited events and prints one JSON object: how long the queries took, without the start of
Python, what processor time and memory they took, and some figures to compare. Only what the figures need is read out of an
event; nothing is validated, sanitized or deduplicated.
"""

import json
import os
import resource
import sys
import time

FIELDS = ("feature", "contentType", "model", "errorType")
# Cached tokens are part of the input.
TOKENS = ("tokens", "inputTokens", "outputTokens")


class DuckDb:
    """One table in memory of what is needed, which the questions are then asked of: faster than a scan for each."""

    def __init__(self, path, threads):
        import duckdb

        self.name = f"DuckDB {duckdb.__version__}"
        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = {threads}")
        self.connection.execute("SET preserve_insertion_order = false")
        self.path = path

    def load(self):
        data = ", ".join([f"{name} VARCHAR" for name in FIELDS] + [f"{name} BIGINT" for name in TOKENS])
        self.connection.execute(
            f"""CREATE TEMP TABLE events AS
            SELECT "at"::DATE AS day, hour("at") AS hour, * FROM (
                SELECT userId AS "user", sessionId AS "session", eventType AS type, metadata.platform AS platform,
                    CASE WHEN timestamp[5] = '-' THEN timestamp::TIMESTAMP ELSE make_timestamp_ms(timestamp::BIGINT) END AS "at",
                    {", ".join(f"eventData.{name} AS {name}" for name in FIELDS)},
                    {" + ".join(f"coalesce(eventData.{name}, 0)" for name in TOKENS)} AS tokens, eventData.cost AS cost
                FROM read_json(?, format = 'newline_delimited', columns = {{
                    userId: 'VARCHAR', sessionId: 'VARCHAR', eventType: 'VARCHAR', timestamp: 'VARCHAR',
                    eventData: 'STRUCT({data}, cost DOUBLE)', metadata: 'STRUCT(platform VARCHAR)'}}))""",
            [self.path],
        )

    def ask(self, query):
        return self.connection.execute(query.format(
            users='approx_count_distinct("user")', length="epoch_ms(max(\"at\") - min(\"at\"))", half="median(length)",
            most="quantile_cont(length, 0.95)",
        )).fetchall()


class ChDb:
    """The same by ClickHouse, within the process."""

    def __init__(self, path, threads):
        import chdb
        from chdb import session

        self.name = f"chdb {chdb.__version__}"
        self.session = session.Session()
        self.session.query("CREATE DATABASE IF NOT EXISTS report")
        self.path = path
        # One thread is one thread: without this, others parse.
        self.settings = f"max_threads = {threads}, input_format_parallel_parsing = {int(threads > 1)}"

    def load(self):
        data = ", ".join([f"{name} String" for name in FIELDS] + [f"{name} UInt64" for name in TOKENS])
        schema = (
            "userId String, sessionId String, eventType String, timestamp String, "
            f"eventData Tuple({data}, cost Float64), metadata Tuple(platform String)"
        )
        self.session.query(
            f"""CREATE TABLE report.events ENGINE = Memory AS
            SELECT toDate("at") AS day, toHour("at") AS hour, * FROM (
                SELECT userId AS "user", sessionId AS "session", eventType AS type, metadata.platform AS platform,
                    if(substring(timestamp, 5, 1) = '-', parseDateTime64BestEffort(timestamp, 3, 'UTC'),
                        fromUnixTimestamp64Milli(toInt64OrZero(timestamp), 'UTC')) AS "at",
                    {", ".join(f"eventData.{name} AS {name}" for name in FIELDS)},
                    {" + ".join(f"eventData.{name}" for name in TOKENS)} AS tokens, eventData.cost AS cost
                FROM file('{self.path}', 'JSONEachRow', '{schema}'))
            SETTINGS {self.settings}, input_format_skip_unknown_fields = 1,
                input_format_json_defaults_for_missing_elements_in_named_tuple = 1,
                input_format_json_ignore_unknown_keys_in_named_tuple = 1"""
        )

    def ask(self, query):
        query = query.replace("FROM events", "FROM report.events").format(
            users='uniq("user")', length="dateDiff('millisecond', min(\"at\"), max(\"at\"))", half="quantile(0.5)(length)",
            most="quantile(0.95)(length)",
        )
        answer = self.session.query(f"{query} SETTINGS {self.settings}", "JSONCompact")
        return json.loads(str(answer))["data"]


QUESTIONS = {
    "hours": "SELECT day, type, hour, count(*) FROM events GROUP BY day, type, hour",
    "features": "SELECT day, feature, count(*) FROM events WHERE type = 'feature_use' GROUP BY day, feature",
    "content": "SELECT day, contentType, count(*) FROM events WHERE type = 'content_create' GROUP BY day, contentType",
    "models": "SELECT day, model, count(*), sum(tokens), sum(cost) FROM events WHERE type = 'ai_request' GROUP BY day, model",
    "errors": "SELECT day, errorType, count(*) FROM events WHERE type = 'error' GROUP BY day, errorType",
    "platforms": "SELECT day, platform, count(*) FROM events GROUP BY day, platform",
    "users": "SELECT day, {users} FROM events GROUP BY day",
    "sessions": "SELECT day, count(*), avg(length), {half}, {most} FROM "
    '(SELECT day, "session", {length} AS length FROM events GROUP BY day, "session") AS lengths GROUP BY day',
}


def summed(rows, name, count):
    sums = {}
    for row in rows:
        sums[row[name]] = sums.get(row[name], 0) + int(row[count])
    return sums


def main():
    engine, path, threads = sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3])
    # As many cores as threads: helpers of an engine take their time from them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    peer = {"duckdb": DuckDb, "chdb": ChDb}[engine](path, threads)
    begun, cpu = time.perf_counter(), time.process_time()
    peer.load()
    answers = {name: peer.ask(question) for name, question in QUESTIONS.items()}
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({
        "name": peer.name,
        "seconds": seconds,
        "cpuSeconds": cpu,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "eventsByType": summed(answers["hours"], 1, 3),
        "featureUsage": summed(answers["features"], 1, 2),
        "tokensByModel": summed(answers["models"], 1, 3),
        "platforms": summed(answers["platforms"], 1, 2),
    }))


main()
