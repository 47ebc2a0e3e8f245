"""A small shop: visits are counted in Redis, orders are kept in Postgres.

GET  /        visits and orders, as text
POST /orders  the body is what to order
"""

import os
import signal
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import redis

cache = redis.Redis.from_url(os.environ["REDIS_URL"])


def database():
    return psycopg2.connect(os.environ["DATABASE_URL"])


def prepare():
    with database() as db, db.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS orders ("
            " id serial PRIMARY KEY, item text NOT NULL, made timestamptz NOT NULL DEFAULT now())"
        )


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            cache.ping()
            return self.answer(200, "ok\n")
        if self.path != "/":
            return self.answer(404, "not found\n")
        visits = cache.incr("visits")
        with database() as db, db.cursor() as cursor:
            cursor.execute("SELECT id, item FROM orders ORDER BY id")
            orders = cursor.fetchall()
        lines = [f"visits: {visits}", f"orders: {len(orders)}"]
        lines += [f"  {number}. {item}" for number, item in orders]
        self.answer(200, "\n".join(lines) + "\n")

    def do_POST(self):
        if self.path != "/orders":
            return self.answer(404, "not found\n")
        item = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode().strip()
        if not item:
            return self.answer(400, "order what?\n")
        with database() as db, db.cursor() as cursor:
            cursor.execute("INSERT INTO orders (item) VALUES (%s) RETURNING id", (item,))
            number = cursor.fetchone()[0]
        self.answer(201, f"order {number}: {item}\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if sys.argv[1:] == ["check"]:
    urllib.request.urlopen("http://127.0.0.1/health", timeout=3)
else:
    # As a container's first process it would ignore the stop signal by default.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    print("the shop is open on port 80")
    ThreadingHTTPServer(("", 80), Shop).serve_forever()
