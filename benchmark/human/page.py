"""``audit.html``: the sheet as one page that asks no other host, works by keyboard, and hands back the filled CSV.

Texts and label names are escaped into the HTML; the script reads them from there and never writes HTML. It guards
cells as :mod:`benchmark.human.sheet` does. Answers are kept in the browser until they are downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from benchmark.human.draw import Drawn
from benchmark.human.records import AuditKey
from benchmark.human.result import audit_id
from benchmark.human.sheet import COLUMNS, FORMULA, GUARD, INVISIBLE


def render(key: AuditKey, drawn: Sequence[Drawn]) -> str:
    """The whole page. Nothing in it tells attacked from unchanged texts."""
    items = "\n".join(_item(number, found, key.labels[found.item.dataset]) for number, found in enumerate(drawn, 1))
    script = _SCRIPT.substitute(
        columns=",".join(COLUMNS),
        formula=_characters(sorted(FORMULA)),
        invisible=_characters(INVISIBLE),
        guard=GUARD,
    )
    return _PAGE.substitute(items=items, total=len(drawn), audit=audit_id(key), style=_STYLE, script=script)


def _item(number: int, found: Drawn, labels: Sequence[str]) -> str:
    name = escape(found.item.item)
    radios = "".join(
        f'<label><input type="radio" name="{name}" value="{escape(label)}"> {escape(label)}</label>' for label in labels
    )
    # The text stands alone in its element: the script takes it from there, blanks included.
    return (
        f'<fieldset data-item="{name}"><legend>Text {number}</legend>'
        f'<p dir="auto">{escape(found.text)}</p><div>{radios}</div></fieldset>'
    )


def _characters(characters: Sequence[str]) -> str:
    """A JavaScript string literal's content, ASCII only."""
    return "".join(f"\\u{ord(c):04x}" for c in characters)


_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #767676; --accent: #0a58ca; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --paper: #161616; --line: #8c8c8c; --accent: #7ab2ff; } }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 0 auto; padding: 1rem; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: 1rem 0; padding: .5rem 1rem; }
fieldset:focus-within { outline: 3px solid var(--accent); }
fieldset p { white-space: pre-wrap; overflow-wrap: anywhere; }
fieldset label { display: inline-block; padding: .3rem 1rem .3rem 0; }
footer { position: sticky; bottom: 0; background: var(--paper); border-top: 1px solid var(--line); padding: .7rem 0; }
button { font: inherit; padding: .4rem 1rem; }
"""

_SCRIPT = Template(r"""
"use strict";
const FORMULA = "$formula", INVISIBLE = "$invisible", GUARD = "$guard";
const items = Array.from(document.querySelectorAll("fieldset[data-item]"));
const place = "audit-" + document.body.dataset.audit;
const chosen = (item) => (item.querySelector("input:checked") || { value: "" }).value;
const guarded = (text) => {
  const bare = Array.from(text).find((c) => !INVISIBLE.includes(c)) || "";
  return text.startsWith(GUARD) || (bare && FORMULA.includes(bare)) ? GUARD + text : text;
};
const cell = (text) => '"' + text.replaceAll('"', '""') + '"';
const sheet = () => ["$columns".split(","), ...items.map((item) =>
  [item.dataset.item, guarded(item.querySelector("p").textContent), guarded(chosen(item))])]
  .map((row) => row.map(cell).join(",") + "\r\n").join("");
const show = () => {
  document.getElementById("done").textContent = items.filter(chosen).length;
};
const keep = () => {
  try { localStorage.setItem(place, JSON.stringify(items.map(chosen))); } catch (refused) { /* private window */ }
};
try {
  (JSON.parse(localStorage.getItem(place)) || []).forEach((label, number) => {
    const found = items[number] && Array.from(items[number].querySelectorAll("input")).find((i) => i.value === label);
    if (found) found.checked = true;
  });
} catch (refused) { /* nothing kept */ }
document.addEventListener("change", () => { keep(); show(); });
document.addEventListener("keydown", (event) => {
  const item = document.activeElement && document.activeElement.closest("fieldset[data-item]");
  if (!item || event.ctrlKey || event.altKey || event.metaKey) return;
  const radio = item.querySelectorAll("input")[Number(event.key) - 1];
  if (!radio) return;
  event.preventDefault();
  radio.checked = true;
  keep();
  show();
  const next = items[items.indexOf(item) + 1];
  (next ? next.querySelector("input") : document.getElementById("download")).focus();
});
document.getElementById("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", sheet()], { type: "text/csv;charset=utf-8" }));
  link.download = "audit.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
show();
""")

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Text labels</title>
<style>$style</style>
</head>
<body data-audit="$audit">
<main>
<h1>Which label fits each text?</h1>
<p>Read each text for itself and choose the label that fits best, even where the text is odd. Tab goes from text to
text, the arrow keys choose, the keys 1 to 9 choose and go on. Answers stay in this browser; download the file at the
end and send it back.</p>
$items
</main>
<footer><button id="download" type="button">Download audit.csv</button>
<span aria-live="polite"><span id="done">0</span> of $total labelled</span></footer>
<script>$script</script>
</body>
</html>
""")
