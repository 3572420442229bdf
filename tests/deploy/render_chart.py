"""Render a chart with Helm's own library, in a process of its own: `render_chart.py FOLDER`.

A list of values comes on standard input; what `helm lint --strict` finds and what `helm template` makes of each goes to
standard output. Both are JSON.
"""

import json
import sys

import helm_python

folder, rendered = sys.argv[1], []
found = helm_python.lint(folder, strict=True)
with helm_python.Chart.load(folder) as chart:
    for values in json.load(sys.stdin):
        try:
            rendered.append(chart.render(values, name="shop", namespace="cdp"))
        except helm_python.HelmError as error:
            rendered.append({"error": str(error)})
json.dump({"lint": found, "rendered": rendered}, sys.stdout)
