// What the page does without the server: boxes, pointing, picking, what-if. Text only ever enters as textContent.
window.spex = (() => {
  const make = (tag, props = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...children);
    return element;
  };
  const percent = (p) =>
    p < 0.001 ? "<0.1%" : p < 0.0995 ? (100 * p).toFixed(1) + "%" : p > 0.9995 ? ">99.9%"
      : (100 * p).toFixed(p > 0.995 ? 1 : 0) + "%";
  const signed = (v) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(2);
  const points = (text) => [...text].length; // Python counts code points
  const column = (element) => element.closest(".results");

  // ---- documents or turns, one box each

  function boxes(element, props, trigger, watch) {
    const root = element.querySelector(".boxes");
    const { noun, roles } = root.dataset;
    const list = root.querySelector(".list");
    const of = (value) => (roles ? value : { text: value });
    const read = () =>
      [...list.children].map((box) => {
        const text = box.querySelector("textarea").value;
        return roles ? { role: box.querySelector("select").value, text } : text;
      });
    const number = () =>
      [...list.children].forEach((box, i) => {
        box.querySelector("textarea").setAttribute("aria-label", `${noun} ${i + 1}`);
        box.querySelector(".n").textContent = i + 1;
        box.querySelector(".remove").setAttribute("aria-label", `Remove ${noun.toLowerCase()} ${i + 1}`);
        box.querySelector("select")?.setAttribute("aria-label", `Role of ${noun.toLowerCase()} ${i + 1}`);
      });
    const save = () => { number(); props.value = read(); };
    const blocks = (text) => text.split(/\n\s*\n/).filter((part) => part.trim());
    const box = (value) => {
      const { role, text } = of(value);
      const area = make("textarea", { value: text, rows: 1, maxLength: 200000, dir: "auto" });
      const remove = make("button", { type: "button", className: "remove", textContent: "×" });
      const cut = make("button", { type: "button", className: "cut", textContent: "Split at empty lines" });
      const made = make("div", { className: "box" }, make("span", { className: "n" }), area, remove);
      if (roles) {
        const choose = make("select", {}, ...roles.split(" ").map((r) => make("option", { value: r, textContent: r })));
        choose.value = role;
        choose.addEventListener("change", save);
        made.insertBefore(choose, area);
      }
      const grow = () => {
        area.rows = Math.min(8, Math.max(1, area.value.split("\n").length));
        cut.hidden = roles || blocks(area.value).length < 2;
      };
      made.append(cut);
      area.addEventListener("input", () => { grow(); save(); });
      cut.addEventListener("click", () => { made.replaceWith(...blocks(area.value).map(box)); save(); });
      remove.addEventListener("click", () => {
        const next = made.nextElementSibling ?? made.previousElementSibling;
        made.remove();
        if (!list.children.length) list.append(box(roles ? { role: "user", text: "" } : ""));
        (next ?? list.firstElementChild).querySelector("textarea").focus();
        save();
      });
      grow();
      return made;
    };
    const draw = () => {
      const given = props.value?.length ? props.value : [roles ? { role: "user", text: "" } : ""];
      if (JSON.stringify(given) === JSON.stringify(read())) return;
      list.replaceChildren(...given.map(box));
      number();
    };
    root.querySelector(".add").addEventListener("click", () => {
      const role = roles && list.lastElementChild?.querySelector("select").value === "user" ? "assistant" : "user";
      list.append(box(roles ? { role, text: "" } : ""));
      list.lastElementChild.querySelector("textarea").focus();
      save();
    });
    draw();
    watch("value", draw);
  }

  // ---- what is known of the explanation that is shown

  const known = new WeakMap();
  function live(inside) {
    const host = inside && column(inside)?.querySelector("[data-live]");
    if (!host) return null;
    if (known.get(host)?.text !== host.dataset.live)
      known.set(host, { text: host.dataset.live, data: JSON.parse(host.dataset.live) });
    return known.get(host).data;
  }
  const value = (data, gone) =>
    data.terms.reduce((sum, [s, c]) => sum + (s.filter((i) => !gone.has(i)).length % 2 ? -c : c), 0);
  const within = (data, v) => Math.min(Math.max(v, data.low ?? -Infinity), data.high ?? Infinity);
  const likely = (data, v) =>
    data.likely === "exp" ? Math.exp(Math.min(v / data.apart, 0)) : data.likely ? 1 / (1 + Math.exp(-v)) : null;

  // ---- pointing and picking

  const players = (element) => element.dataset.players.split(" ").map(Number);
  function light(results, chosen) {
    results.classList.toggle("lighting", chosen !== null);
    const on = new Set(chosen ?? []);
    results.querySelectorAll("[data-player]").forEach((e) => e.classList.toggle("lit", on.has(+e.dataset.player)));
    const key = chosen?.join(" ");
    results.querySelectorAll("[data-players]").forEach((e) => e.classList.toggle("lit", e.dataset.players === key));
  }
  function pick(results, element) {
    const again = results.picked === element.dataset.players;
    results.picked = again ? null : element.dataset.players;
    results.querySelectorAll("tr[data-players], .combo[data-players]").forEach((row) =>
      row.setAttribute("aria-current", String(row.dataset.players === results.picked)));
    light(results, again ? null : players(element));
  }
  function card(results, row, pinned) {
    const data = live(row), i = +row.dataset.player;
    if (!data) return;
    const inside = data.combos.filter((c) => c.players.includes(i)).slice(0, 4);
    const lines = inside.map((c) => make("li", {},
      `${c.names}: `, make("b", { textContent: c.words }), ` (${signed(c.value)})`));
    const share = `${data.shares[i] < 0 ? "hurts" : "helps"}: ${signed(data.shares[i])} ${data.unit}`;
    const made = make("div", { className: "card", role: "group" },
      make("b", { textContent: data.names[i] }), make("span", { textContent: share }),
      lines.length ? make("ul", {}, ...lines) : make("p", { textContent: "acts on its own" }));
    made.setAttribute("aria-label", data.names[i]);
    if (pinned) {
      const act = (text, run) => {
        const button = make("button", { type: "button", textContent: text });
        button.addEventListener("click", () => { drop(results); run(); });
        return button;
      };
      const tick = results.querySelector(`.ticks input[value="${i}"]`);
      made.classList.add("pinned");
      made.append(make("div", { className: "acts" },
        ...(tick ? [act(tick.checked ? "Take it away" : "Put it back", () => tick.click())] : []),
        ...(results.querySelector("[data-live]").dataset.inside ? [act("Look inside", () => results.send("inside", { player: i }))] : []),
        act("Close", () => row.focus())));
    }
    drop(results);
    results.append(made);
    results.card = made;
    const at = row.getBoundingClientRect(), frame = results.getBoundingClientRect();
    made.style.top = `${at.bottom - frame.top + 4}px`;
    made.style.left = `${Math.max(0, Math.min(at.left - frame.left + 20, frame.width - made.offsetWidth - 4))}px`;
    if (pinned) made.querySelector("button").focus();
  }
  const drop = (results) => { results.card?.remove(); results.card = null; };

  function listen(results) {
    if (results.listening) return;
    results.listening = true;
    const over = (event) => {
      const target = event.target.closest?.("[data-player], [data-players]");
      if (!target || results.card?.classList.contains("pinned")) return;
      if (target.dataset.players !== undefined) { if (!results.picked) light(results, players(target)); }
      else if (target.matches(".player, mark, text")) card(results, target, false);
    };
    const out = () => {
      if (results.card && !results.card.classList.contains("pinned")) drop(results);
      if (!results.picked) light(results, null);
    };
    results.addEventListener("pointerover", over);
    results.addEventListener("pointerout", out);
    results.addEventListener("focusin", over);
    results.addEventListener("focusout", out);
    results.addEventListener("click", (event) => {
      const ask = event.target.closest("[data-ask]");
      if (ask) return results.send(ask.dataset.ask, { kept: ticked(results) });
      if (event.target.closest("[data-all]")) return reset(results);
      const target = event.target.closest("[data-player], [data-players]");
      if (!target) return event.target.closest(".card") ? null : drop(results);
      return target.dataset.players !== undefined ? pick(results, target) : card(results, target, true);
    });
    results.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { drop(results); results.picked = null; light(results, null); }
      const target = event.target.closest(".player, .combo, tr[data-players], .word");
      if (!target || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      if (target.matches(".word")) span(results, target, event.shiftKey);
      else if (target.dataset.players !== undefined) pick(results, target);
      else card(results, target, true);
    });
    results.addEventListener("change", (event) => event.target.closest(".ticks") && guess(results));
  }

  // ---- what if

  const boxesOf = (results) => [...results.querySelectorAll(".ticks input")];
  const goneOf = (results) => new Set(boxesOf(results).filter((b) => !b.checked).map((b) => +b.value));
  function ticked(results) {
    const gone = goneOf(results);
    return live(results.firstElementChild).names.map((_, i) => i).filter((i) => !gone.has(i));
  }
  function reset(results, kept = null) {
    boxesOf(results).forEach((b) => { b.checked = kept === null || kept.has(+b.value); });
    guess(results);
  }
  function guess(results) {
    const place = results.querySelector(".guess"), data = live(results.firstElementChild);
    if (!place || !data) return;
    const gone = goneOf(results), asked = gone.size ? (gone.size === data.names.length ? data.none : null) : data.all;
    const v = asked ?? within(data, value(data, gone)), p = likely(data, v), about = asked === null ? "≈ " : "";
    place.querySelector(".num").textContent =
      about + (p === null ? `${signed(v)} ${data.unit}` : `${percent(p)}${data.apart > 1 ? " a token" : ""}`);
    const full = value(data, new Set()), none = value(data, new Set(data.names.keys()));
    const share = p ?? (full === none ? 1 : (v - none) / (full - none));
    place.querySelector(".fill").setAttribute("width", 100 * Math.min(Math.max(share, 0.004), 1));
    place.querySelector(".said").textContent =
      gone.size ? `without ${gone.size} of ${data.names.length} ${data.what}` : `with all ${data.names.length} ${data.what}`;
    results.querySelectorAll("[data-player]").forEach((e) => e.classList.toggle("gone", gone.has(+e.dataset.player)));
  }

  // ---- the answer, of which a part can be explained

  function words(results) {
    const answer = results.querySelector(".answer"), data = live(results.firstElementChild);
    const pieces = answer?.textContent.match(/\s*\S+\s*/g) ?? [];
    if (!data?.spans || pieces.length < 2) return;
    let at = 0;
    answer.replaceChildren(...pieces.map((piece, k) => {
      const lead = points(piece) - points(piece.trimStart());
      const word = make("span", { className: "word", textContent: piece, tabIndex: k ? -1 : 0, role: "button" });
      word.dataset.start = at + lead;
      word.dataset.end = at + points(piece.trimEnd());
      at += points(piece);
      const [from, to] = data.span ?? [0, 0];
      word.classList.toggle("on", +word.dataset.start < to && from < +word.dataset.end);
      return word;
    }));
    answer.after(make("span", { className: "hint", textContent: "Select a part of the answer, and that part alone is explained." }));
    answer.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step && answer.children[[...answer.children].indexOf(event.target) + step];
      if (next) { event.target.tabIndex = -1; next.tabIndex = 0; next.focus(); event.preventDefault(); }
    });
    answer.addEventListener("pointerup", () => setTimeout(() => {
      const chosen = getSelection();
      const inside = [...answer.children].filter((word) => chosen.containsNode(word, true));
      if (!chosen.isCollapsed && inside.length) send(results, inside);
    }));
    answer.addEventListener("click", (event) => {
      if (getSelection().isCollapsed && event.target.matches(".word")) span(results, event.target, event.shiftKey);
    });
  }
  const send = (results, chosen) =>
    results.send("span", { start: +chosen[0].dataset.start, end: +chosen[chosen.length - 1].dataset.end });
  function span(results, word, extend) {
    const all = [...word.parentElement.children], here = all.indexOf(word);
    const first = extend && results.anchor !== undefined ? results.anchor : here;
    if (!extend) results.anchor = here;
    send(results, all.slice(Math.min(first, here), Math.max(first, here) + 1));
  }

  // ---- the components of gr.HTML

  function result(element, props, trigger, watch) {
    const results = column(element);
    results.send = trigger;
    listen(results);
    const ready = () => {
      drop(results);
      results.picked = null;
      light(results, null);
      element.querySelectorAll(".hint").forEach((hint) => hint.remove());
      element.querySelectorAll(".player").forEach((row) => { row.tabIndex = 0; });
      words(results);
    };
    ready();
    watch("value", () => { ready(); arrive(results); });
  }
  function whatIf(element, props, trigger, watch) {
    watch("value", () => reset(column(element)));
  }
  function outcome(element, props, trigger, watch) {
    watch("value", () => {
      const told = element.querySelector("[data-kept]");
      if (told) reset(column(element), new Set(told.dataset.kept.split(" ").filter(Boolean).map(Number)));
    });
  }
  function file(element, props, trigger, watch) {
    const save = (blob, name) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    };
    watch("value", () => {
      if (!props.value) return;
      const { name, type, text } = JSON.parse(props.value);
      if (!name.endsWith(".png")) return save(new Blob([text], { type }), name);
      const image = new Image();
      image.onload = () => {
        const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => save(blob, name));
      };
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
    });
  }
  // on a phone the result is below the form; on a wide screen next to it, and a long form may hide it
  let shown = null; // the column of a run whose result has not come yet
  function show(id) {
    const element = document.getElementById(id), at = element.getBoundingClientRect().top;
    if (at < 0 || at > innerHeight - 80) element.scrollIntoView();
    shown = column(element);
  }
  function arrive(results) {
    if (shown !== results) return;
    shown = null;
    // the page was too short to bring an empty result to the top
    if (innerWidth < 700) requestAnimationFrame(() => results.scrollIntoView());
  }
  return { boxes, result, whatIf, outcome, file, show, dark: () => document.body.classList.contains("dark") };
})();
