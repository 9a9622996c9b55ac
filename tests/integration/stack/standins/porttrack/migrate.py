"""Makes one table as the store's owner, so that a test can see who may read it and who may write."""

import argparse

import psycopg

parser = argparse.ArgumentParser()
parser.add_argument("--dsn", required=True)
parser.add_argument("--to", required=True)
given = parser.parse_args()
with psycopg.connect(given.dsn, connect_timeout=5) as connection:
    connection.execute("CREATE TABLE note (text text NOT NULL)")
    connection.execute("INSERT INTO note VALUES ('first')")
