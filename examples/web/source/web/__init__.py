"""A small web application: greetings, counted."""

import argparse
import json
import threading
import urllib.request

from flask import Flask, jsonify
from werkzeug.serving import make_server

app = Flask(__name__)
greeted = {}


@app.get("/")
def index():
    return jsonify(service="greetings", greeted=sum(greeted.values()))


@app.get("/hello/<name>")
def hello(name):
    greeted[name] = greeted.get(name, 0) + 1
    return jsonify(message=f"Hello, {name}!", times=greeted[name])


def check():
    """Serves on a free port of the loopback and asks itself."""
    server = make_server("127.0.0.1", 0, app)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path in ["/hello/world", "/hello/world", "/"]:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            print(answer.status, path, json.dumps(json.load(answer), sort_keys=True))
    server.shutdown()


def main():
    parser = argparse.ArgumentParser(prog="web", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--check", action="store_true", help="ask three things and end")
    arguments = parser.parse_args()
    if arguments.check:
        check()
        return
    server = make_server("127.0.0.1", arguments.port, app, threaded=True)
    print(f"http://127.0.0.1:{server.port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
