// Long lists: more is loaded as one comes near the end; what is far from the window leaves the document, and is asked
// for again when one comes back, so that the hundred thousandth row is as quick as the first.
'use strict';
window.telegraphoneLists = ({ find, all, headersOf, leave, settle }) => {
  // In px: what is nearer than this is there before one comes to it; what is further than the other leaves.
  const near = () => Math.max(1500, 1.5 * innerHeight);
  const far = () => 3 * near();
  // Where the part of a row begins, but for those of the first: `{ cursor, name, day }`, what the API calls that place, by
  // which parameter, and which day was said before it.
  const partOf = new WeakMap();
  // What is not in the document in place of this one: the parts in their order, with their heights, first and last ids.
  const goneIn = new WeakMap();
  const lists = new Set();
  const idOf = row => row.dataset.id;
  const rowsIn = list => all(':scope > [data-id]', list);

  async function part(place) {
    try {
      const response = await fetch(place, { headers: headersOf({ 'HX-Request': 'true' }), credentials: 'same-origin' });
      if (response.status === 401) { leave(); return null; }
      return response.ok ? new DOMParser().parseFromString(await response.text(), 'text/html') : null;
    } catch { return null; }
  }

  const beginOf = ({ dataset: { more: cursor, cursor: name = 'before', day } }) => ({ cursor, name, day });

  // The rows of `list` after `cursor`, and what follows them; null where nothing came.
  async function after(list, { cursor, name, day }) {
    const place = new URL(location.href);
    place.searchParams.set(name, cursor);
    if (day) place.searchParams.set('shown_day', day);
    const parsed = await part(place);
    const other = parsed && find(`#${CSS.escape(list.id)}`, parsed);
    if (!other) return null;
    const item = find(':scope > [data-more]', other);
    item?.remove();
    return { rows: [...other.children], item };
  }

  // ---- The next part --------------------------------------------------------------------------

  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) more(entry.target);
  }, { rootMargin: '1500px' });

  async function more(item) {
    watcher.unobserve(item);
    const list = item.parentElement;
    const begins = beginOf(item);
    const got = await after(list, begins);
    if (!item.isConnected) return;
    if (!got) { setTimeout(() => watcher.observe(item), 2000); return; }
    const known = new Set(rowsIn(list).map(idOf));
    const rows = got.rows.filter(row => !known.has(idOf(row)));
    rows.forEach(row => partOf.set(row, begins));
    item.replaceWith(...rows, ...(got.item ? [got.item] : []));
    keep(list);
    settle(list);
    tidy(list);
  }

  // ---- What is far leaves, and comes back -----------------------------------------------------

  function keep(list) {
    if (list.dataset.long === undefined) return;
    lists.add(list);
    // Where one was is found again by this script, not by the browser, which does not know what is not there yet.
    if (!list.closest('.talk-scroll')) history.scrollRestoration = 'manual';
  }

  // The parts of a list that are in the document but the first, each with its rows.
  function partsOf(list) {
    const parts = [];
    for (const row of list.children) {
      const part = partOf.get(row);
      if (!part) continue;
      if (parts.at(-1)?.part === part) parts.at(-1).rows.push(row); else parts.push({ part, rows: [row] });
    }
    return parts;
  }
  function recordOf({ part, rows }) {
    const ids = rows.map(idOf).filter(Boolean);
    const height = rows.at(-1).getBoundingClientRect().bottom - rows[0].getBoundingClientRect().top;
    return { ...part, height, first: ids[0], last: ids.at(-1) };
  }
  function setGone(spacer, records) {
    goneIn.set(spacer, records);
    if (!records.length) spacer.remove();
    // A `tr` takes its height from its cell.
    (spacer.firstElementChild || spacer).style.height = `${records.reduce((sum, { height }) => sum + height, 0)}px`;
  }
  function spacerFor(list) {
    const spacer = document.createElement(list.matches('tbody') ? 'tr' : 'li');
    spacer.className = 'gone';
    spacer.setAttribute('aria-hidden', 'true');
    if (spacer.matches('tr')) spacer.append(Object.assign(document.createElement('td'), { colSpan: 100 }));
    return spacer;
  }

  function forget(list, { part, rows }) {
    const record = recordOf({ part, rows });
    const [before, behind] = [rows[0].previousElementSibling, rows.at(-1).nextElementSibling];
    const [above, below] = [goneIn.get(before), goneIn.get(behind)];
    const spacer = above ? before : below ? behind : spacerFor(list);
    if (!above && !below) rows[0].before(spacer);
    rows.forEach(row => row.remove());
    if (above && below) { behind.remove(); setGone(before, [...above, record, ...below]); }
    else setGone(spacer, [...(above || []), record, ...(below || [])]);
  }

  // What one looks at stays where it is while rows above it come and go; whoever stands at the top sees what comes. (No
  // browser does that for a table that can be scrolled sideways, and some for nothing.)
  function steadily(list, act) {
    const scroller = list.closest('.talk-scroll') || document.scrollingElement;
    const row = scroller.scrollTop > 0 && rowsIn(list).find(one => one.getBoundingClientRect().bottom > 0);
    const top = row && row.getBoundingClientRect().top;
    act();
    const now = row && (row.isConnected ? row : find(`:scope > [data-id="${CSS.escape(idOf(row))}"]`, list));
    const moved = now ? now.getBoundingClientRect().top - top : 0;
    if (moved) scroller.scrollBy(0, moved);
  }

  const busy = new WeakSet();
  function tidy(list) {
    if (busy.has(list) || !list.getClientRects().length) return;
    const leaving = partsOf(list).filter(({ rows }) => {
      const [top, bottom] = [rows[0].getBoundingClientRect().top, rows.at(-1).getBoundingClientRect().bottom];
      const isFar = bottom < -far() || top > innerHeight + far();
      // Whoever stands on a row stays there.
      return isFar && !rows.some(row => row.contains(document.activeElement));
    });
    if (leaving.length) steadily(list, () => leaving.forEach(one => forget(list, one)));
    let wanted = null;
    for (const spacer of all(':scope > .gone', list)) {
      let { top } = spacer.getBoundingClientRect();
      for (const record of goneIn.get(spacer)) {
        const distance = Math.max(top - innerHeight, -(top + record.height), 0);
        if (distance < near() && (!wanted || distance < wanted.distance)) wanted = { spacer, record, distance };
        top += record.height;
      }
    }
    if (wanted) fill(list, wanted.spacer, wanted.record).then(done => { if (done) tidy(list); else setTimeout(tidy, 2000, list); });
  }

  // The rows that are between a record and what follows it, as they are now: `{ rows, item }`, with an item where
  // the end was not found, so that what follows has to be asked for anew.
  async function rowsOf(list, record, known, following) {
    const rows = [];
    let at = record;
    for (let asked = 0; asked < 10; asked++) {
      const got = await after(list, at);
      if (!got) return null;
      let isOver = !got.item || got.item.dataset.more === following.cursor;
      for (const row of got.rows) {
        if (following.first !== undefined && idOf(row) === following.first) return { rows };
        if (idOf(row) !== undefined && known.has(idOf(row))) { isOver = true; continue; }
        rows.push(row);
        if (idOf(row) !== undefined && idOf(row) === record.last) return { rows };
      }
      if (isOver) return { rows };
      at = beginOf(got.item);
      if (asked === 9) return { rows, item: got.item };
    }
    return null;
  }
  function followingOf(row) {
    if (goneIn.has(row)) return goneIn.get(row)[0];
    return row?.dataset.more !== undefined ? beginOf(row) : partOf.get(row) || {};
  }

  // Puts back what was of `record`; whether it is there.
  async function fill(list, spacer, record) {
    busy.add(list);
    const index = goneIn.get(spacer).indexOf(record);
    const following = goneIn.get(spacer)[index + 1] || followingOf(spacer.nextElementSibling);
    const got = await rowsOf(list, record, new Set(rowsIn(list).map(idOf)), following);
    busy.delete(list);
    const records = goneIn.get(spacer);
    if (!got || !spacer.isConnected || !records.includes(record)) return Boolean(got);
    const { cursor, name, day } = record;
    const part = { cursor, name, day };
    got.rows.forEach(row => partOf.set(row, part));
    const [above, below] = [records.slice(0, records.indexOf(record)), records.slice(records.indexOf(record) + 1)];
    steadily(list, () => {
      if (got.item) {
        while (spacer.nextElementSibling) spacer.nextElementSibling.remove();
        below.length = 0;
      }
      const rest = below.length ? [spacerFor(list)] : [];
      spacer.after(...got.rows, ...rest, ...(got.item ? [got.item] : []));
      if (below.length) setGone(rest[0], below);
      setGone(spacer, above);
    });
    settle(list);
    return true;
  }

  let drawn;
  function soon() {
    if (drawn || !lists.size) return;
    drawn = requestAnimationFrame(() => {
      drawn = undefined;
      for (const list of lists) if (list.isConnected) tidy(list); else lists.delete(list);
    });
  }
  document.addEventListener('scroll', soon, { capture: true, passive: true });
  window.addEventListener('resize', soon);

  // The row before or after `row`, also where it is not in the document at the moment.
  async function step(row, way) {
    const beside = one => (way > 0 ? one.nextElementSibling : one.previousElementSibling);
    for (let one = beside(row); one; one = beside(one)) {
      if (goneIn.has(one)) {
        const list = one.parentElement;
        if (busy.has(list) || !(await fill(list, one, goneIn.get(one).at(way > 0 ? 0 : -1)))) return null;
        one = row;
      } else if (one.matches('.row')) return one;
    }
    return null;
  }

  // ---- What is new or has changed -------------------------------------------------------------

  // A row in place of another; whoever stands on one of its buttons stays there.
  function swap(old, row) {
    const stops = one => all('a[href], button', one);
    const at = stops(old).indexOf(document.activeElement);
    if (partOf.has(old)) partOf.set(row, partOf.get(old));
    old.replaceWith(row);
    if (at >= 0) (stops(row)[at] || stops(row)[0])?.focus({ preventScroll: true });
  }
  function remove(row) {
    if (row.contains(document.activeElement)) [row.nextElementSibling, row.previousElementSibling].map(one => one && find('.cover', one)).find(Boolean)?.focus({ preventScroll: true });
    row.remove();
  }
  // As it came: without what scripts have written into it since.
  function asCame(row) {
    const copy = row.cloneNode(true);
    copy.classList.remove('current');
    all('[data-since]', copy).forEach(one => one.replaceChildren());
    all('[data-level]', copy).forEach(one => one.setAttribute('value', one.min));
    return copy;
  }
  const differ = (old, row) => asCame(old).outerHTML !== row.outerHTML;

  // Rows in their order behind `last`, those that are there already among them; the last of them.
  function align(list, last, rows, part) {
    const mine = new Map(rowsIn(list).map(row => [idOf(row), row]));
    const days = new Map(all(':scope > [data-day]', list).filter(row => row.dataset.more === undefined).map(row => [row.dataset.day, row]));
    for (const row of rows) {
      const present = idOf(row) ? mine.get(idOf(row)) : days.get(row.dataset.day);
      let shown = present || row;
      if (present && idOf(row) && differ(present, row)) { swap(present, row); shown = row; }
      // What has something new moves up.
      const isThere = last ? last.nextElementSibling === shown : list.firstElementChild === shown;
      if (!isThere) { if (last) last.after(shown); else list.prepend(shown); }
      if (part) partOf.set(shown, part); else partOf.delete(shown);
      if (shown === row) window.htmx.process(row);
      last = shown;
    }
    for (const day of all(':scope > .day', list)) if (!day.nextElementSibling || day.nextElementSibling.matches('.day')) day.remove();
    return last;
  }

  // The first part of a list anew; what was loaded further down stays.
  async function merge(region) {
    const parsed = await part(new URL(location.href));
    const fresh = parsed && find(`#${CSS.escape(region.id)}`, parsed);
    if (!fresh || !region.isConnected) return;
    const [list, other] = [find('ol, tbody', region), find('ol, tbody', fresh)];
    if (!list || !other) { if (region.innerHTML !== fresh.innerHTML) { region.replaceWith(fresh); settle(document); } return; }
    const mine = new Map(rowsIn(list).map(row => [idOf(row), row]));
    // What is not there any more goes; what was loaded further down stays.
    const ids = new Set(rowsIn(other).map(idOf));
    const anchor = mine.get([...ids].filter(id => mine.has(id)).at(-1));
    const item = find(':scope > [data-more]', other);
    // More is new than one part holds: what lies between is not here, so the list begins anew.
    if (item && !anchor) { region.replaceWith(fresh); window.htmx.process(fresh); settle(document); return; }
    item?.remove();
    steadily(list, () => {
      for (const [id, row] of mine) {
        if (!ids.has(id) && (!item || row.compareDocumentPosition(anchor) & Node.DOCUMENT_POSITION_FOLLOWING)) remove(row);
      }
      if (!item) all(':scope > .gone', list).forEach(spacer => spacer.remove());
      const last = align(list, null, [...other.children], undefined);
      if (item && last) shorten(list, last, item);
    });
    tidy(list);
    settle(list);
  }

  // The first part grows with what is new. What has grown out of it is a part of its own from then on, which can leave.
  function shorten(list, last, item) {
    if (list.dataset.long === undefined) return;
    const grown = [];
    for (let row = last.nextElementSibling; row && !partOf.has(row) && !goneIn.has(row) && !row.dataset.more; row = row.nextElementSibling) grown.push(row);
    if (grown.length < rowsIn(list).indexOf(last) + 1) return;
    const begins = beginOf(item);
    grown.forEach(row => partOf.set(row, begins));
    keep(list);
  }

  // The parts further down that one of `ids` is in, or was until somebody took it away, as they are now.
  const lost = new Map();
  async function renew(list, ids) {
    const wanted = new Set([...ids].map(id => lost.get(id)).filter(Boolean));
    const shown = partsOf(list).filter(({ part, rows }) => wanted.has(part) || rows.some(row => ids.has(idOf(row))));
    for (const { part, rows } of shown) {
      const mine = new Map(rows.filter(idOf).map(row => [idOf(row), row]));
      const known = new Set(rowsIn(list).map(idOf).filter(id => !mine.has(id)));
      const got = await rowsOf(list, recordOf({ part, rows }), known, followingOf(rows.at(-1).nextElementSibling));
      const last = rows[0].previousElementSibling;
      if (!got || got.item || !last || rows.some(row => !row.isConnected)) continue;
      const fresh = new Set(got.rows.map(idOf));
      steadily(list, () => {
        for (const [id, row] of mine) if (!fresh.has(id)) { lost.set(id, part); remove(row); }
        align(list, last, got.rows, part);
      });
      settle(list);
    }
  }
  // An event has told of these.
  let told = new Set();
  function renewed(...ids) {
    const known = ids.filter(id => id !== undefined && id !== null);
    if (known.length && !told.size) {
      setTimeout(() => {
        const some = told;
        told = new Set();
        for (const list of lists) renew(list, some);
      }, 120);
    }
    known.forEach(id => told.add(String(id)));
  }

  // ---- Where one was --------------------------------------------------------------------------

  const KEPT = 'telegraphone.lists';
  function kept() {
    try { return JSON.parse(sessionStorage.getItem(KEPT)) || []; } catch { return []; }
  }
  // Whoever opens a row and comes back finds the list where it was.
  function note() {
    const noted = [];
    for (const list of lists) {
      if (!list.isConnected || list.closest('.talk-scroll')) continue;
      const records = [];
      let at = null;
      let top = null;
      const add = record => {
        if (top <= 0 && top + record.height > 0) at = { index: records.length, offset: -top };
        records.push(record);
        top += record.height;
      };
      const shown = new Map(partsOf(list).map(one => [one.rows[0], one]));
      for (const row of list.children) {
        if (shown.has(row)) { top = row.getBoundingClientRect().top; add(recordOf(shown.get(row))); }
        if (goneIn.has(row)) { top = row.getBoundingClientRect().top; goneIn.get(row).forEach(add); }
      }
      const item = find(':scope > [data-more]', list);
      noted.push({ id: list.id, records, at, more: item && beginOf(item) });
    }
    const others = kept().filter(one => one.href !== location.href).slice(-9);
    try { sessionStorage.setItem(KEPT, JSON.stringify([...others, { href: location.href, y: scrollY, lists: noted }])); } catch { /* It begins at the top then. */ }
  }
  window.addEventListener('pagehide', () => { if (lists.size) note(); });

  function restore() {
    const [{ type }] = performance.getEntriesByType('navigation');
    const was = ['back_forward', 'reload'].includes(type) && kept().find(one => one.href === location.href);
    if (!was) { history.scrollRestoration = 'auto'; return; }
    let y = was.y;
    for (const { id, records, at, more: end } of was.lists) {
      const list = find(`#${CSS.escape(id)}`);
      const item = list && find(':scope > [data-more]', list);
      if (!item || !records.length) continue;
      // What has come since then lies between the first part and what was after it.
      Object.assign(records[0], beginOf(item));
      const spacer = spacerFor(list);
      item.before(spacer);
      setGone(spacer, records);
      if (end) Object.assign(item.dataset, { more: end.cursor, ...(end.day ? { day: end.day } : {}) }); else item.remove();
      keep(list);
      if (at) y = scrollY + spacer.getBoundingClientRect().top + records.slice(0, at.index).reduce((sum, { height }) => sum + height, 0) + at.offset;
    }
    scrollTo(0, y);
    soon();
  }

  function watch(root) {
    all('[data-more]', root).forEach(item => watcher.observe(item));
  }
  return { part, asCame, merge, more, step, renewed, restore, watch };
};
