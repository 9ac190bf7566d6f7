"use strict";
(() => {
  const id = (name) => document.getElementById(name);
  const outcomes = JSON.parse(id("outcomes").textContent);
  const board = id("board");
  const body = board.tBodies[0];
  const rows = [...body.rows];

  // Every text of a record passes through here, and so through a text node: it is never read as markup.
  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  // ---- theme ---------------------------------------------------------------------------------------------------
  const themes = ["system", "light", "dark"];
  const root = document.documentElement;
  const themeButton = id("theme");
  function showTheme() {
    themeButton.textContent = `Theme: ${root.dataset.theme || "system"}`;
  }
  themeButton.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "system") + 1) % themes.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("bench-theme", next);
    } catch {}
    showTheme();
  });
  themeButton.hidden = false;
  showTheme();

  // ---- sorting -------------------------------------------------------------------------------------------------
  const collator = new Intl.Collator("en", { numeric: true });
  const heads = [...board.tHead.rows[0].cells];
  function sortBy(head) {
    const order =
      head.ariaSort === "none" ? head.dataset.first : head.ariaSort === "ascending" ? "descending" : "ascending";
    const index = head.cellIndex;
    const text = head.dataset.kind === "text";
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => {
      const value = row.cells[index].dataset.v;
      return { row, value: value === "" ? null : text ? value : Number(value) };
    });
    keyed.sort((a, b) => {
      // What was not measured stays at the end in both orders.
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return sign * (text ? collator.compare(a.value, b.value) : a.value - b.value);
    });
    body.append(...keyed.map((item) => item.row));
    for (const other of heads) other.ariaSort = other === head ? order : "none";
    resetRoving();
  }
  for (const head of heads) {
    const button = make("button", "", ...head.childNodes, make("i", "arrow"));
    button.type = "button";
    head.append(button);
    head.ariaSort = "none";
    button.addEventListener("click", () => sortBy(head));
  }

  // ---- filters -------------------------------------------------------------------------------------------------
  const find = id("find");
  const dataset = id("dataset");
  const badge = id("badge");
  function filter() {
    const part = find.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits =
        row.dataset.defense.toLowerCase().includes(part) &&
        (!dataset.value || row.dataset.dataset === dataset.value) &&
        (!badge.value || row.dataset.badges.split("\n").includes(badge.value));
      row.hidden = !fits;
      shown += fits;
    }
    id("count").textContent = `${shown} of ${rows.length} rows`;
    resetRoving();
  }
  id("tools").addEventListener("input", filter);
  id("tools").addEventListener("reset", () => setTimeout(filter));
  id("tools").addEventListener("submit", (event) => event.preventDefault());
  id("tools").hidden = false;
  id("hint").hidden = false;

  // ---- arrow keys: one stop of the tab key for all values ------------------------------------------------------
  let current = null;
  const cellOf = (row) => row.querySelector("button[data-cell]");
  function rove(button, focus) {
    if (current) current.tabIndex = -1;
    current = button;
    if (button) button.tabIndex = 0;
    if (button && focus) button.focus();
  }
  function resetRoving() {
    if (current && current.isConnected && !current.closest("tr").hidden) return;
    const row = [...body.rows].find((candidate) => !candidate.hidden && cellOf(candidate));
    rove(row ? cellOf(row) : null, false);
  }
  function neighbour(button, down, right) {
    let square = button.closest("td");
    let row = square.parentElement;
    const index = square.cellIndex;
    for (;;) {
      if (down) row = down > 0 ? row.nextElementSibling : row.previousElementSibling;
      else square = right > 0 ? square.nextElementSibling : square.previousElementSibling;
      if (!row || !square) return null;
      const found = (down ? row.cells[index] : square).querySelector("button[data-cell]");
      if (found && !row.hidden) return found;
    }
  }
  const moves = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  body.addEventListener("keydown", (event) => {
    const button = event.target.closest("button[data-cell]");
    const move = moves[event.key];
    if (!button || !move) return;
    event.preventDefault();
    const next = neighbour(button, ...move);
    if (next) rove(next, true);
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-cell]");
    if (!button) return;
    rove(button, false);
    const { cell, cells, seeds } = button.dataset;
    siblings = cells ? cells.split(" ").map((key, index) => [key, seeds.split(" ")[index]]) : [];
    open(cell);
  });
  resetRoving();

  // ---- one cell's examples -------------------------------------------------------------------------------------
  const drawer = id("drawer");
  const drawerBody = id("drawer-body");
  const PAGE = 50;
  const KEPT = 8; // cells held in memory
  const loaded = new Map();
  let wanted = null;
  let choosing = false; // a seed: its field keeps the focus
  let siblings = []; // the same cell with other seeds: key and seed

  // Browsers that know trusted types take no other address for a script; the others check the same here.
  const detailAddress = (key) => {
    if (!/^[A-Za-z0-9_-]+$/.test(key)) throw new TypeError("not a cell");
    return `details/${key}.js`;
  };
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("details", { createScriptURL: detailAddress })
    : { createScriptURL: detailAddress };

  window.benchCell = (head, records) => {
    loaded.set(head.key, { head, records });
    if (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
    if (wanted === head.key) show(loaded.get(head.key));
  };

  function open(key) {
    wanted = key;
    if (!drawer.open) drawer.showModal();
    if (loaded.has(key)) return show(loaded.get(key));
    id("drawer-title").textContent = "Loading …";
    id("drawer-place").textContent = "";
    drawerBody.replaceChildren();
    const script = document.createElement("script");
    script.src = policy.createScriptURL(key);
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => {
      script.remove();
      id("drawer-title").textContent = "Not found";
      drawerBody.replaceChildren(
        make("p", "", `details/${key}.js cannot be loaded. The page must lie beside its folder details/.`),
      );
    });
    document.head.append(script);
  }
  drawer.addEventListener("close", () => {
    wanted = null;
    if (current) current.focus();
  });
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer) drawer.close(); // the backdrop
  });
  id("drawer-close").addEventListener("click", () => drawer.close());

  const percent = (value, digits = 1) => (value === null ? "–" : `${(100 * value).toFixed(digits)} %`);
  const range = (share) => `${percent(share.value)} (${(100 * share.low).toFixed(1)}–${(100 * share.high).toFixed(1)})`;

  function show({ head, records }) {
    const place = Object.fromEntries(head.fields.map((name, index) => [name, index]));
    id("drawer-title").replaceChildren(make("bdi", "", head.display || head.attack), " against ", make("bdi", "", head.defense));
    id("drawer-place").textContent = `${head.dataset} · ${siblings.length ? "" : `seed ${head.seed} · `}${head.model} · ${records.length} examples`;
    if (siblings.length) id("drawer-place").append(" · ", seedChoice(head.key));
    const list = make("ol", "examples");
    const more = make("button", "more");
    more.type = "button";
    let shown = records;
    let drawn = 0;
    function draw() {
      list.append(...shown.slice(drawn, drawn + PAGE).map((record) => example(head, place, record)));
      drawn = Math.min(drawn + PAGE, shown.length);
      more.hidden = drawn === shown.length;
      more.textContent = `Show ${Math.min(PAGE, shown.length - drawn)} more of ${shown.length - drawn}`;
    }
    more.addEventListener("click", draw);
    function only(outcome) {
      shown = outcome === null ? records : records.filter((record) => record[place.outcome] === outcome);
      drawn = 0;
      list.replaceChildren();
      draw();
    }
    drawerBody.replaceChildren(facts(head), tally(head, records, place, only), list, more);
    if (!head.texts) {
      const note = "The sentences are not published with this page: a block stands for the characters that were replaced.";
      list.before(make("p", "note", note));
    }
    draw();
    drawerBody.scrollTop = 0;
    const choice = drawer.querySelector("select.seeds");
    (choosing && choice ? choice : id("drawer-title")).focus();
    choosing = false;
  }

  function seedChoice(key) {
    const select = make("select", "seeds", ...siblings.map(([value, seed]) => new Option(`seed ${seed}`, value, false, value === key)));
    select.setAttribute("aria-label", "Seed");
    select.addEventListener("change", () => {
      choosing = true;
      open(select.value);
    });
    return select;
  }

  function facts(head) {
    const list = make("dl", "facts-list");
    const fact = (name, value) => list.append(make("div", "", make("dt", "", name), make("dd", "", value)));
    if (!head.accuracy) return list;
    fact("accuracy under attack", range(head.accuracy));
    fact("success rate", `${percent(head.success.value)} (${head.success.broken}/${head.success.attacked})`);
    if (head.expected !== undefined) fact("expected accuracy", percent(head.expected));
    if (head.any_fail) fact("right in every draw", range(head.any_fail));
    const { queries, changed, similarity } = head.means;
    fact("queries, mean", queries === null ? "–" : queries.toFixed(1));
    fact("words changed, mean", percent(changed));
    fact("similarity, mean", similarity === null ? "–" : similarity.toFixed(3));
    return list;
  }

  function tally(head, records, place, only) {
    const counts = outcomes.map((_, index) => records.filter((record) => record[place.outcome] === index).length);
    const bar = make("div", "tally");
    bar.setAttribute("aria-hidden", "true");
    const choice = make("fieldset", "choice", make("legend", "", "Outcome"));
    const option = (name, index, ...label) => {
      const input = make("input");
      Object.assign(input, { type: "radio", name: "outcome", checked: index === null });
      input.addEventListener("change", () => only(index));
      choice.append(make("label", "", input, ...label, make("b", "", name)));
    };
    option(String(records.length), null, "all ");
    outcomes.forEach(([name, mark], index) => {
      if (!counts[index]) return;
      const part = make("span", "");
      part.dataset.outcome = name;
      part.style.flexGrow = counts[index];
      bar.append(part);
      option(String(counts[index]), index, outcome(name, mark), " ");
    });
    return make("div", "", bar, choice);
  }

  function outcome(name, mark) {
    const node = make("span", "outcome", make("i", "", mark), ` ${name}`);
    node.firstChild.setAttribute("aria-hidden", "true");
    node.dataset.outcome = name;
    return node;
  }

  function example(head, place, record) {
    const at = (name) => record[place[name]];
    const label = (value) => (value === null ? "–" : (head.labels[value] ?? `label ${value}`));
    const [name, mark] = outcomes[at("outcome")];
    const top = make("div", "line", outcome(name, mark), make("code", "", at("id")));
    const answer = at("adversarial") ?? at("prediction");
    const reading = make("span", "reading", make("bdi", "", label(at("label"))), " → ", make("bdi", "", label(answer)));
    const numbers = make("div", "line numbers", reading, make("span", "", `${at("queries")} queries`));
    if (at("changed") !== null) {
      const share = at("words") ? ` (${percent(at("changed") / at("words"), 0)})` : "";
      numbers.append(make("span", "", `${at("changed")} of ${at("words")} words${share}`));
    } else {
      numbers.append(make("span", "", `${at("words")} words`));
    }
    if (at("similarity") !== null) numbers.append(make("span", "", `similarity ${at("similarity").toFixed(3)}`));
    if (at("temperature") !== null) numbers.append(make("span", "", `T ${at("temperature").toFixed(2)}`));
    if (at("note") !== null) numbers.append(make("span", "warn", at("note")));
    return make("li", "", top, numbers, diff(at("pieces"), at("edits")));
  }

  function diff(pieces, edits) {
    if (pieces) {
      return make("p", "text", ...pieces.flatMap((piece) => (typeof piece === "string" ? visible(piece) : change(...piece))));
    }
    if (!edits || !edits.length) return null;
    return make("ul", "edits", ...edits.map(([start, end, text]) => {
      const block = make("del", "redacted", "█".repeat(Math.min(end - start, 12)) + (end - start > 12 ? "…" : ""));
      block.title = `${end - start} characters, not published`;
      return make("li", "", make("small", "", `at ${start}`), end > start ? block : make("small", "", "inserted"), " → ",
        text ? make("ins", "", ...visible(text)) : make("small", "", "deleted"));
    }));
  }

  function change(before, after) {
    return [
      before ? make("del", "", ...visible(before)) : null,
      before && after ? "\u2009" : null,
      after ? make("ins", "", ...visible(after)) : null,
    ];
  }

  // Characters that cannot be seen, or that turn the direction of writing, are named.
  const HIDDEN = /((?![\n\t])[\p{C}\p{Zl}\p{Zp}\u00a0\u00ad\u034f\u115f\u1160\u2000-\u200a\u202f\u205f\u3000\u3164\ufe00-\ufe0f])/u;
  function visible(text) {
    return text.split(HIDDEN).map((part, index) => {
      if (index % 2 === 0) return make("bdi", "", part);
      return make("span", "hidden-char", `U+${part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
    });
  }
})();
