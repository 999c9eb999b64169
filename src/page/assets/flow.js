// The editor of a call flow: an indented tree of its steps, checked and tried by the service as one types.
'use strict';
(() => {
  const { ask, toast, find, all, wrongAt, mended } = window.telegraphone;
  const words = JSON.parse(find('#flow-words').textContent);
  const known = JSON.parse(find('#flow-data').textContent);
  const NAME = known.flow.name;
  const SEQUENCE = ['recording', 'announce', 'ring'];
  const ICONS = { recording: 'record', announce: 'speaker', schedule: 'live', menu: 'menu', ring: 'calls', forward: 'forward', voicemail: 'voicemail', hangup: 'hangup' };
  const KINDS = ['recording', 'announce', 'schedule', 'menu', 'ring', 'forward', 'voicemail', 'hangup'];
  const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*', '#'];
  const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

  // The flow as it is typed: where it begins, and its steps by name.
  let flow = read(known.flow);
  let saved = JSON.stringify(flow);
  let tag = null;
  let past = [];
  let future = [];
  // Cards whose fields are shown.
  const open = new Set();
  let wrongs = [];
  let path = [];

  const say = (text, names = {}) => text.replace(/%(\w+)%/g, (_, name) => names[name] ?? '');

  function read({ start, step }) {
    const steps = {};
    for (const { name, ...keys } of structuredClone(step)) {
      for (const key of Object.keys(keys)) if (keys[key] === null) delete keys[key];
      steps[name] = keys;
    }
    return { start: start ?? null, steps };
  }

  // As the API takes it, in the order of the tree. A key that leads nowhere is left out: it is complained of here.
  function written() {
    const order = [...inTree(), ...Object.keys(flow.steps)];
    const step = [...new Set(order)].filter(name => flow.steps[name]).map(name => {
      const keys = structuredClone(flow.steps[name]);
      if (keys.digits) for (const key of Object.keys(keys.digits)) if (!keys.digits[key]) delete keys.digits[key];
      return { name, ...keys };
    });
    return { ...(flow.start ? { start: flow.start } : {}), step };
  }

  // ---- Places in the tree ---------------------------------------------------------------------

  // A slot is where a step stands: a branch of a step, or the beginning (`from` is null).
  const slotOf = (from, branch) => ({ from, branch });
  const BEGIN = slotOf(null, 'start');
  function get({ from, branch }) {
    if (from === null) return flow.start;
    const step = flow.steps[from];
    return (branch.startsWith('digit:') ? step.digits?.[branch.slice(6)] : step[branch]) ?? null;
  }
  function put({ from, branch }, target) {
    if (from === null) { flow.start = target; return; }
    const step = flow.steps[from];
    if (branch.startsWith('digit:')) { (step.digits ??= {})[branch.slice(6)] = target; return; }
    if (target) step[branch] = target; else delete step[branch];
  }
  function branchesOf(step) {
    if (SEQUENCE.includes(step.do)) return ['next'];
    if (step.do === 'schedule') return ['open', 'closed'];
    if (step.do === 'menu') return [...Object.keys(step.digits || {}).sort((one, other) => KEYS.indexOf(one) - KEYS.indexOf(other)).map(key => `digit:${key}`), 'timeout', 'invalid'];
    return [];
  }
  const slots = () => [BEGIN, ...Object.entries(flow.steps).flatMap(([name, step]) => branchesOf(step).map(branch => slotOf(name, branch)))];
  const leadingTo = name => slots().filter(slot => get(slot) === name);
  function branchWord(step, branch) {
    if (branch.startsWith('digit:')) return say(words.branches.digit, { key: branch.slice(6) });
    return branch === 'next' && step?.do === 'ring' ? words.branches.no_answer : words.branches[branch];
  }
  function slotWord(slot) {
    if (slot.from === null) return words.first;
    const step = flow.steps[slot.from];
    return slot.branch === 'next' && step.do !== 'ring' ? say(words.after, { name: slot.from }) : say(words.branch_of, { name: slot.from, branch: branchWord(step, slot.branch) });
  }

  // Names of the steps that can be come to, in the order of the tree.
  function inTree(from = flow.start, seen = []) {
    if (!from || !flow.steps[from] || seen.includes(from)) return seen;
    seen.push(from);
    for (const branch of branchesOf(flow.steps[from])) inTree(get(slotOf(from, branch)), seen);
    return seen;
  }

  // ---- Changes --------------------------------------------------------------------------------

  // `change` acts on the flow; what was before it can be brought back.
  let typed = null;
  function act(change, { key = null, draw = true, focus = null } = {}) {
    const before = JSON.stringify(flow);
    change();
    if (JSON.stringify(flow) === before) return;
    // Letters typed into one field are one change.
    if (!key || typed !== key) past.push(before);
    typed = key;
    if (past.length > 200) past.shift();
    future = [];
    after(draw, focus);
  }
  function after(draw = true, focus = null) {
    if (draw) render(focus);
    bar();
    check();
  }
  function back(from, to) {
    if (!from.length) return;
    to.push(JSON.stringify(flow));
    flow = JSON.parse(from.pop());
    typed = null;
    after();
  }
  const undo = () => back(past, future);
  const redo = () => back(future, past);

  function freeName(kind) {
    const base = { recording: 'record', announce: 'say', schedule: 'hours', menu: 'choose', ring: 'ring', forward: 'forward', voicemail: 'message', hangup: 'end' }[kind];
    let name = base;
    for (let at = 2; flow.steps[name]; at += 1) name = `${base}-${at}`;
    return name;
  }

  function fresh(kind) {
    const prompt = known.prompts[0]?.name;
    switch (kind) {
      case 'recording': return { do: kind, on: true };
      case 'announce': return { do: kind, prompt: prompt || 'recorded' };
      case 'schedule': return { do: kind, time_zone: known.zone, hours: ['mon-fri 09:00-17:00'] };
      case 'menu': return { do: kind, prompt: prompt || 'beep', digits: { 1: null }, seconds: 5 };
      case 'ring': return { do: kind, ...(targets()[0] ? { target: targets()[0] } : {}), seconds: 25 };
      case 'forward': return { do: kind, ...(known.users[0] ? { to: `user:${known.users[0].extension}` } : {}) };
      case 'voicemail': return { do: kind, ...(known.boxes[0] ? { box: boxName(known.boxes[0]) } : {}) };
      default: return { do: kind, cause: 480 };
    }
  }
  const targets = () => [...known.groups.map(group => `group:${group.name}`), ...known.users.map(user => `user:${user.extension}`), ...known.inboxes.map(inbox => `inbox:${inbox.name}`)];
  const boxName = box => (box.context === 'default' ? box.number : `${box.number}@${box.context}`);

  // The branch that goes on where a step stood, when something comes before it.
  function main(step) {
    if (SEQUENCE.includes(step.do)) return 'next';
    if (step.do === 'schedule') return 'open';
    if (step.do === 'menu') return 'timeout';
    return null;
  }
  function insert(slot, kind) {
    const name = freeName(kind);
    act(() => {
      const was = get(slot);
      const step = fresh(kind);
      flow.steps[name] = step;
      put(slot, name);
      const on = main(step);
      if (was && on) put(slotOf(name, on), was);
      else if (was) toast(words.cut_off);
      open.add(name);
    }, { focus: `${name}:edit` });
  }
  // What led to it leads to where it went on.
  function detach(name) {
    const step = flow.steps[name];
    const on = main(step);
    let target = on ? get(slotOf(name, on)) : null;
    if (target === name) target = null;
    for (const slot of leadingTo(name)) put(slot, target);
    if (on) put(slotOf(name, on), null);
  }
  function remove(name) {
    const slot = leadingTo(name)[0];
    act(() => { detach(name); delete flow.steps[name]; open.delete(name); }, { focus: slot?.from ? `${slot.from}:edit` : null });
    toast(words.removed, false, { label: window.telegraphone.words.undo, act: undo });
  }
  // To another place: a step of a sequence alone, one with branches together with them.
  function moveTo(name, slot) {
    act(() => {
      const step = flow.steps[name];
      const sequence = SEQUENCE.includes(step.do);
      if (sequence) detach(name); else for (const one of leadingTo(name)) put(one, null);
      const was = get(slot);
      put(slot, name);
      if (sequence && was && was !== name) put(slotOf(name, 'next'), was);
    }, { focus: `${name}:edit` });
  }
  function below(name) {
    const seen = [];
    inTree(name, seen);
    return seen;
  }
  function placesFor(name) {
    const step = flow.steps[name];
    const sequence = SEQUENCE.includes(step.do);
    const inside = sequence ? [name] : below(name);
    return slots().filter(slot => !inside.includes(slot.from) && get(slot) !== name && (sequence || !get(slot) || !flow.steps[get(slot)]));
  }
  // Up and down within a sequence.
  function neighbours(name) {
    const step = flow.steps[name];
    if (!SEQUENCE.includes(step.do)) return {};
    const before = leadingTo(name);
    const up = before.length === 1 && before[0].from !== null && before[0].branch === 'next' && before[0].from !== name ? before[0].from : null;
    const next = get(slotOf(name, 'next'));
    const down = next && flow.steps[next] && SEQUENCE.includes(flow.steps[next].do) && leadingTo(next).length === 1 && next !== name ? next : null;
    return { up, down };
  }
  function swap(first, second, focus) {
    act(() => {
      const slot = leadingTo(first)[0] || null;
      const rest = get(slotOf(second, 'next'));
      for (const one of leadingTo(first)) put(one, second);
      if (!slot && flow.start === first) flow.start = second;
      put(slotOf(second, 'next'), first);
      put(slotOf(first, 'next'), rest);
    }, { focus });
  }
  function rename(name, to) {
    act(() => {
      const steps = {};
      for (const [one, step] of Object.entries(flow.steps)) steps[one === name ? to : one] = step;
      const leading = leadingTo(name);
      flow.steps = steps;
      for (const slot of leading) put(slotOf(slot.from === name ? to : slot.from, slot.branch), to);
      if (open.delete(name)) open.add(to);
    }, { focus: `${to}:name` });
  }

  // ---- Drawing --------------------------------------------------------------------------------

  function h(name, values = {}, ...children) {
    const one = document.createElement(name);
    for (const [key, value] of Object.entries(values)) {
      if (value === false || value === null || value === undefined) continue;
      if (key.startsWith('on')) one.addEventListener(key.slice(2), value);
      else if (key === 'checked' || key === 'selected' || key === 'value') one[key] = value;
      else one.setAttribute(key, value === true ? '' : value);
    }
    one.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
    return one;
  }
  const icon = name => find(`[data-icon="${name}"]`, find('#flow-icons').content).firstElementChild.cloneNode(true);
  const button = (picture, label, key, onclick, more = {}) => h('button', { type: 'button', class: 'round small', 'aria-label': label, title: label, 'data-at': key, onclick, ...more }, icon(picture));

  function render(focus = null) {
    const at = focus || document.activeElement?.dataset?.at;
    const seen = new Set();
    find('#flow-tree').replaceChildren(chain(BEGIN, seen));
    const loose = Object.keys(flow.steps).filter(name => !seen.has(name));
    const tops = loose.filter(name => !leadingTo(name).some(slot => loose.includes(slot.from) && slot.from !== name));
    find('#flow-loose').hidden = !loose.length;
    const list = h('ol', { class: 'steps' });
    for (const name of [...tops, ...loose]) {
      if (seen.has(name)) continue;
      seen.add(name);
      list.append(h('li', { class: 'item' }, card(name, seen)));
      const on = SEQUENCE.includes(flow.steps[name].do) ? slotOf(name, 'next') : null;
      if (on) list.append(...chain(on, seen).children);
    }
    find('#flow-loose-tree').replaceChildren(list);
    marks();
    menus();
    const stood = at && find(`[data-at="${CSS.escape(at)}"]`);
    if (stood) stood.focus({ preventScroll: !focus }); else if (at) find('#flow-tree').focus({ preventScroll: true });
  }

  // What follows from a slot, one below the other, until a way forks or ends.
  function chain(slot, seen) {
    const list = h('ol', { class: 'steps' });
    for (let at = slot; at;) {
      const target = get(at);
      const step = at.from === null ? null : flow.steps[at.from];
      const label = at !== slot && step?.do === 'ring' ? h('span', { class: 'joint-label' }, words.branches.no_answer) : null;
      const ends = !target || !flow.steps[target] || seen.has(target);
      const joint = h('div', { class: 'joint' }, label, ends && !target ? null : adder(at));
      if (!target) { list.append(h('li', { class: 'item end' }, joint, end(at))); break; }
      if (!flow.steps[target]) { list.append(h('li', { class: 'item end' }, joint, link(at, target, false))); break; }
      if (seen.has(target)) { list.append(h('li', { class: 'item end' }, joint, link(at, target, true))); break; }
      seen.add(target);
      list.append(h('li', { class: 'item' }, joint, card(target, seen, at)));
      at = SEQUENCE.includes(flow.steps[target].do) ? slotOf(target, 'next') : null;
    }
    return list;
  }
  function adder(slot) {
    return button('add', say(words.acts.add_here, { place: slotWord(slot) }), `${slot.from ?? ''}:add:${slot.branch}`, () => choose(slot), { class: 'round add' });
  }
  function end(slot) {
    const step = slot.from === null ? null : flow.steps[slot.from];
    const must = slot.branch === 'open' || slot.branch === 'closed' || slot.branch.startsWith('digit:') || slot.from === null;
    return h('div', { class: 'flow-end' },
      must ? null : h('span', { class: 'muted' }, step?.do === 'ring' ? words.ends_ring : words.ends),
      h('button', { type: 'button', class: 'button small', 'data-at': `${slot.from ?? ''}:add:${slot.branch}`, onclick: () => choose(slot) }, icon('add'), words.acts.add, h('span', { class: 'quiet' }, ` ${slotWord(slot)}`)));
  }
  function link(slot, target, there) {
    const go = () => { const one = find(`[data-step="${CSS.escape(target)}"]`); one?.scrollIntoView({ block: 'center' }); one?.focus(); };
    return h('div', { class: 'flow-link' },
      there ? [h('span', { class: 'muted' }, words.goes_on), h('button', { type: 'button', class: 'link', onclick: go, 'data-at': `${slot.from ?? ''}:to:${slot.branch}` }, target)] : h('span', { class: 'wrong' }, say(words.broken, { name: target })),
      button('close', say(words.acts.unlink, { name: target }), `${slot.from ?? ''}:unlink:${slot.branch}`, () => act(() => put(slot, null), { focus: `${slot.from ?? ''}:add:${slot.branch}` })));
  }

  // `at`: where it is drawn; the other ways to it are said.
  function card(name, seen, at = null) {
    const step = flow.steps[name];
    const { up, down } = neighbours(name);
    const shown = open.has(name);
    const others = leadingTo(name).filter(slot => !at || slot.from !== at.from || slot.branch !== at.branch);
    const title = `step-${name}`;
    const article = h('article', { class: `flow-step kind-${step.do}`, 'data-step': name, tabindex: '-1', 'aria-labelledby': title },
      h('header', {},
        h('span', { class: 'flow-icon' }, icon(ICONS[step.do] || 'more')),
        h('div', { class: 'flow-what' },
          h('h3', { id: title }, h('span', { 'data-sum': name }, summary(step))),
          h('p', { class: 'sub' }, h('span', { class: 'flow-kind' }, words.kinds[step.do]?.[0] ?? step.do), ' · ', h('code', {}, name), others.length ? ` · ${say(words.also, { names: others.map(slot => (slot.branch === 'next' ? slot.from : slotWord(slot))).join(', ') })}` : null)),
        h('span', { class: 'path-mark', hidden: true }),
        h('div', { class: 'flow-acts' },
          button('edit', say(words.acts.edit, { name }), `${name}:edit`, () => { if (shown) open.delete(name); else open.add(name); render(); }, { 'aria-expanded': String(shown) }),
          up ? button('back', say(words.acts.up, { name }), `${name}:up`, () => swap(up, name, `${name}:up`), { class: 'round small upward', 'aria-keyshortcuts': 'Alt+ArrowUp' }) : null,
          down ? button('back', say(words.acts.down, { name }), `${name}:down`, () => swap(name, down, `${name}:down`), { class: 'round small downward', 'aria-keyshortcuts': 'Alt+ArrowDown' }) : null,
          button('internal', say(words.acts.move, { name }), `${name}:move`, () => chooseMove(name)),
          button('delete', say(words.acts.remove, { name }), `${name}:remove`, () => remove(name)))),
      h('ul', { class: 'wrongs', hidden: true }),
      shown ? h('div', { class: 'flow-fields' }, fields(name, step)) : null);
    const branches = SEQUENCE.includes(step.do) ? [] : branchesOf(step);
    if (!branches.length) return article;
    const forks = h('ul', { class: 'forks' });
    for (const branch of branches) {
      const slot = slotOf(name, branch);
      const key = branch.startsWith('digit:') ? branch.slice(6) : null;
      forks.append(h('li', { class: 'fork' },
        h('p', { class: 'fork-label', 'data-branch': `${name}:${branch}` }, key ? h('kbd', {}, key) : null, h('span', {}, branchWord(step, branch)),
          key ? button('close', say(words.fields.remove_key, { key }), `${name}:nokey:${key}`, () => act(() => { delete step.digits[key]; }, { focus: `${name}:edit` })) : null),
        chain(slot, seen)));
    }
    return h('div', {}, article, forks, step.do === 'menu' ? addKey(name, step) : null);
  }
  function addKey(name, step) {
    const left = KEYS.filter(key => !(key in (step.digits || {})));
    if (!left.length) return null;
    return h('p', { class: 'add-key' }, h('label', {}, h('span', { class: 'quiet' }, words.fields.add_key),
      h('select', { 'data-at': `${name}:addkey`, onchange: event => { const key = event.target.value; if (key) act(() => { (flow.steps[name].digits ??= {})[key] = null; }, { focus: `${name}:add:digit:${key}` }); } },
        h('option', { value: '' }, words.fields.add_key), left.map(key => h('option', { value: key }, key)))));
  }

  // A step in words.
  function summary(step) {
    switch (step.do) {
      case 'recording': return step.on ? words.sums.record : words.sums.not_record;
      case 'announce': return say(words.sums.announce, { prompt: promptWord(step.prompt) });
      case 'schedule': return say(words.sums.schedule, { hours: (step.hours || []).map(hoursWord).join('; ') || words.sums.never, zone: step.time_zone || '' });
      case 'menu': return say(words.sums.menu, { prompt: promptWord(step.prompt), seconds: step.seconds ?? 5 });
      case 'ring': {
        const text = say(words.sums.ring, { who: whoWord(step.target), seconds: step.seconds ?? 25 });
        return step.how && step.how !== 'all' ? `${text}, ${words.sums[step.how]}` : text;
      }
      case 'forward': return say(words.sums.forward, { who: whoWord(step.to) });
      case 'voicemail': { const box = known.boxes.find(one => boxName(one) === step.box); return say(words.sums.voicemail, { box: box ? `${step.box} (${box.name})` : step.box || words.sums.nobody }); }
      case 'hangup': return say(words.sums.hangup, { cause: step.cause ?? 480 });
      default: return step.do || '';
    }
  }
  const promptWord = name => (known.prompts.some(one => one.name === name) ? name : words.prompts[name] || name || '');
  function whoWord(target) {
    if (!target) return words.sums.nobody;
    const [kind, ...rest] = target.split(':');
    const key = rest.join(':');
    const label = {
      user: () => { const user = known.users.find(one => one.extension === key); return user ? `${user.name} (${key})` : key; },
      group: () => known.groups.find(one => one.name === key)?.label || key,
      inbox: () => known.inboxes.find(one => one.name === key)?.label || key,
      voicemail: () => { const box = known.boxes.find(one => boxName(one) === key); return box ? `${key} (${box.name})` : key; },
    }[kind]?.() ?? key;
    return say(words.who[kind] || '%name%', { name: label });
  }
  function hoursWord(text) {
    const read = readHours(text);
    if (!read) return text;
    return `${daysWord(read.days)} ${read.from}–${read.until}`;
  }
  function daysWord(days) {
    return runs(days).map(([first, last]) => (first === last ? words.fields.days[first] : `${words.fields.days[first]}–${words.fields.days[last]}`)).join(', ');
  }
  function runs(days) {
    const found = [];
    for (let day = 0; day < 7; day += 1) {
      if (!days[day]) continue;
      if (found.length && found.at(-1)[1] === day - 1) found.at(-1)[1] = day; else found.push([day, day]);
    }
    return found;
  }
  function readHours(text) {
    const match = /^(\S+) (\d\d:\d\d)-(\d\d:\d\d)$/.exec(text);
    if (!match) return null;
    const days = Array(7).fill(match[1] === 'daily');
    if (match[1] !== 'daily') {
      for (const part of match[1].split(',')) {
        const [first, last] = part.split('-').map(day => DAYS.indexOf(day));
        if (first < 0 || last < 0) return null;
        for (let step = 0; step <= ((last ?? first) + 7 - first) % 7; step += 1) days[(first + step) % 7] = true;
      }
    }
    return { days, from: match[2], until: match[3] };
  }
  function writeHours({ days, from, until }) {
    const text = days.every(Boolean) ? 'daily' : runs(days).map(([first, last]) => (first === last ? DAYS[first] : `${DAYS[first]}-${DAYS[last]}`)).join(',');
    return `${text} ${from}-${until}`;
  }

  // ---- Fields of a step -----------------------------------------------------------------------

  function fields(name, step) {
    const labelled = (label, control, key, help) => {
      const id = `help-${name}-${key}`;
      control.dataset.field = key;
      control.dataset.at = `${name}:${key}`;
      if (help) control.setAttribute('aria-describedby', id);
      return [h('label', { class: 'field' }, h('span', {}, label), control), help ? h('p', { class: 'help', id }, help) : null];
    };
    // A change of one key, without a new tree where the tree stays as it is.
    const set = (key, value, draw = false) => act(() => { if (value === '' || value === null || Number.isNaN(value)) delete step[key]; else step[key] = value; }, { key: `${name}:${key}`, draw });
    const select = (key, value, groups, draw = false) => {
      const options = groups.map(([label, list]) => (list.length ? (label ? h('optgroup', { label }, list.map(([one, text]) => h('option', { value: one, selected: one === value }, text))) : list.map(([one, text]) => h('option', { value: one, selected: one === value }, text))) : null));
      const there = groups.some(([, list]) => list.some(([one]) => one === value));
      if (!there) options.unshift(h('option', { value: value ?? '', selected: true }, value ? say(words.fields.unknown, { name: value }) : words.fields.choose));
      return h('select', { onchange: event => set(key, event.target.value, draw) }, options);
    };
    const prompts = () => select('prompt', step.prompt, [[words.fields.own, known.prompts.map(one => [one.name, one.name])], [words.fields.builtin, Object.entries(words.prompts).filter(([one]) => !known.prompts.some(own => own.name === one)).map(([one, text]) => [one, `${one}: ${text}`])]]);
    const seconds = (label, fallback) => labelled(label, h('input', { type: 'number', min: 1, max: 600, step: 1, value: step.seconds ?? fallback, oninput: event => set('seconds', event.target.value === '' ? null : Number(event.target.value)) }), 'seconds');
    const users = () => known.users.filter(user => !user.deactivated).map(user => [`user:${user.extension}`, `${user.name} (${user.extension})`]);
    const groups = () => known.groups.map(group => [`group:${group.name}`, group.label || group.name]);
    const own = {
      recording: () => [h('fieldset', { class: 'flow-on', 'data-field': 'on' }, h('legend', {}, words.fields.on), [[true, words.sums.record], [false, words.sums.not_record]].map(([value, text]) =>
        h('label', { class: 'choice' }, h('input', { type: 'radio', name: `on-${name}`, checked: step.on === value, 'data-at': `${name}:on:${value}`, onchange: () => set('on', value) }), h('span', {}, text))))],
      announce: () => labelled(words.fields.prompt, prompts(), 'prompt'),
      schedule: () => schedule(name, step, labelled, set),
      menu: () => [...labelled(words.fields.prompt, prompts(), 'prompt'), ...seconds(words.fields.seconds_menu, 5)],
      ring: () => [...labelled(words.fields.target, select('target', step.target, [[words.fields.groups, groups()], [words.fields.users, users()], [words.fields.inboxes, known.inboxes.map(inbox => [`inbox:${inbox.name}`, inbox.label || inbox.name])]], true), 'target'),
        ...(step.target?.startsWith('user:') ? [] : labelled(words.fields.how, select('how', step.how ?? 'all', [['', [['all', words.fields.all], ['in_turn', words.sums.in_turn], ['longest_idle', words.sums.longest_idle]]]]), 'how')),
        ...seconds(words.fields.seconds_ring, 25)],
      forward: () => {
        const isNumber = step.to?.startsWith('number:');
        const list = select('to', isNumber ? 'number:' : step.to, [[words.fields.users, users()], [words.fields.groups, groups()], [words.fields.boxes, known.boxes.map(box => [`voicemail:${boxName(box)}`, `${boxName(box)} (${box.name})`])], ['', [['number:', words.fields.outside]]]], true);
        return [...labelled(words.fields.to, list, 'to'), ...(isNumber ? labelled(words.fields.outside_number, h('input', { type: 'tel', value: step.to.slice(7), placeholder: '+12025550147', oninput: event => set('to', `number:${event.target.value.replace(/[\s()/-]/g, '')}`) }), 'to-number') : [])];
      },
      voicemail: () => labelled(words.fields.box, select('box', step.box, [['', known.boxes.map(box => [boxName(box), `${boxName(box)} (${box.name})`])]]), 'box'),
      hangup: () => labelled(words.fields.cause, selectCause(step, set), 'cause'),
    }[step.do]?.() ?? [];
    const naming = h('input', { value: name, maxlength: 32, spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off', onchange: event => {
      const to = event.target.value.trim();
      const problem = to === name ? null : !/^[a-z0-9-]{1,32}$/.test(to) ? words.name_wrong : flow.steps[to] ? words.name_taken : null;
      mended(event.target);
      if (problem) wrongAt(event.target, problem); else if (to !== name) rename(name, to);
    } });
    return [own, labelled(words.fields.name, naming, 'name')];
  }
  function selectCause(step, set) {
    const value = String(step.cause ?? 480);
    const causes = { ...words.causes, ...(words.causes[value] ? {} : { [value]: value }) };
    return h('select', { onchange: event => set('cause', Number(event.target.value)) }, Object.entries(causes).map(([one, text]) => h('option', { value: one, selected: one === value }, text)));
  }
  function schedule(name, step, labelled, set) {
    const zone = h('input', { value: step.time_zone ?? '', list: 'flow-zones', autocomplete: 'off', spellcheck: 'false', oninput: event => set('time_zone', event.target.value.trim()) });
    const lines = h('div', { class: 'hours-lines' });
    const change = (at, edit) => act(() => {
      const read = readHours(step.hours[at]);
      edit(read);
      step.hours = step.hours.map((text, index) => (index === at ? writeHours(read) : text));
    }, { key: `${name}:hours:${at}`, draw: false });
    (step.hours || []).forEach((text, at) => {
      const read = readHours(text);
      const drop = button('close', `${words.fields.remove_hours} ${hoursWord(text)}`, `${name}:hours:${at}:drop`, () => act(() => { step.hours = step.hours.filter((_, index) => index !== at); }, { focus: `${name}:hours:add` }));
      if (!read) {
        lines.append(h('div', { class: 'hours' }, h('input', { value: text, 'aria-label': words.fields.hours, 'data-at': `${name}:hours:${at}`, oninput: event => act(() => { step.hours[at] = event.target.value; }, { key: `${name}:hours:${at}`, draw: false }) }), drop));
        return;
      }
      const times = [['from', words.fields.from], ['until', words.fields.until]].map(([key, label]) => h('label', {}, h('span', { class: 'quiet' }, label),
        h('input', { type: 'time', value: read[key] === '24:00' ? '00:00' : read[key], 'data-at': `${name}:hours:${at}:${key}`, onchange: event => { if (event.target.value) change(at, hours => { hours[key] = key === 'until' && event.target.value === '00:00' ? '24:00' : event.target.value; }); } })));
      lines.append(h('div', { class: 'hours', role: 'group', 'aria-label': `${words.fields.hours} ${at + 1}` },
        h('span', { class: 'days' }, DAYS.map((_, day) => h('label', { class: 'day-choice' }, h('input', { type: 'checkbox', checked: read.days[day], 'data-at': `${name}:hours:${at}:${day}`, onchange: event => {
          const others = readHours(step.hours[at]).days.filter((on, index) => on && index !== day).length;
          if (!event.target.checked && !others) { event.target.checked = true; return; }
          change(at, hours => { hours.days[day] = event.target.checked; });
        } }), h('span', {}, words.fields.days[day])))),
        times[0], h('span', { 'aria-hidden': 'true' }, '–'), times[1], drop));
    });
    const holidays = h('input', { value: (step.holidays || []).join(', '), autocomplete: 'off', oninput: event => {
      const list = event.target.value.split(/[\s,;]+/).filter(Boolean);
      act(() => { if (list.length) step.holidays = list; else delete step.holidays; }, { key: `${name}:holidays`, draw: false });
    } });
    return [
      h('fieldset', { class: 'stack tight', 'data-field': 'hours' }, h('legend', {}, words.fields.hours), lines,
        h('div', {}, h('button', { type: 'button', class: 'button small', 'data-at': `${name}:hours:add`, onclick: () => act(() => { step.hours = [...(step.hours || []), 'mon-fri 09:00-17:00']; }, { focus: `${name}:hours:${(step.hours || []).length}:from` }) }, icon('add'), words.fields.add_hours))),
      ...labelled(words.fields.holidays, holidays, 'holidays', words.fields.holidays_help),
      ...labelled(words.fields.time_zone, zone, 'time_zone'),
    ];
  }
  document.body.append(h('datalist', { id: 'flow-zones' }, (Intl.supportedValuesOf?.('timeZone') || []).map(zone => h('option', { value: zone }))));

  // ---- Choosing -------------------------------------------------------------------------------

  const dialog = find('#flow-add');
  function show(title, ...content) {
    find('#flow-add-title').textContent = title;
    find('#flow-add-body').replaceChildren(...content.flat().filter(Boolean));
    dialog.showModal();
  }
  function choose(slot) {
    const done = act => () => { dialog.close(); act(); };
    const kinds = h('div', { class: 'kind-choices' }, KINDS.map(kind => [kind, ...words.kinds[kind]]).map(([kind, label, help]) =>
      h('button', { type: 'button', class: 'kind-choice', onclick: done(() => insert(slot, kind)) }, h('span', { class: 'flow-icon' }, icon(ICONS[kind])), h('span', {}, h('strong', {}, label), h('span', { class: 'sub' }, help)))));
    const others = Object.keys(flow.steps).filter(name => name !== slot.from && get(slot) !== name);
    const list = h('select', { 'aria-label': words.existing }, others.map(name => h('option', { value: name }, `${name}: ${summary(flow.steps[name])}`)));
    const there = others.length ? h('div', { class: 'stack tight' }, h('h3', {}, words.existing), h('p', { class: 'help' }, words.existing_help),
      h('div', { class: 'flow-existing' }, list, h('button', { type: 'button', class: 'button', onclick: done(() => act(() => put(slot, list.value), { focus: `${slot.from ?? ''}:to:${slot.branch}` })) }, words.goes_on))) : null;
    show(`${words.choose_kind} (${slotWord(slot)})`, kinds, there);
  }
  function chooseMove(name) {
    const places = placesFor(name);
    if (!places.length) { toast(words.no_place); return; }
    const list = h('select', { 'aria-label': say(words.move_title, { name }) }, places.map((slot, at) => h('option', { value: at }, slotWord(slot))));
    show(say(words.move_title, { name }), h('div', { class: 'flow-existing' }, list, h('button', { type: 'button', class: 'button primary', onclick: () => { dialog.close(); moveTo(name, places[list.value]); } }, 'OK')));
  }

  // ---- Saving ---------------------------------------------------------------------------------

  const dirty = () => JSON.stringify(flow) !== saved;
  function bar() {
    const off = (id, is) => find(id).setAttribute('aria-disabled', String(is));
    off('#flow-undo', !past.length);
    off('#flow-redo', !future.length);
    off('#flow-save', !dirty());
    for (const one of all('[data-sum]')) if (flow.steps[one.dataset.sum]) one.textContent = summary(flow.steps[one.dataset.sum]);
    state();
  }
  let checking = false;
  function state() {
    const one = find('#flow-state');
    const count = wrongs.length;
    const parts = [dirty() ? words.unsaved : words.saved_state];
    if (count) parts.push(say(words.problems, { count })); else if (dirty() && tries) parts.push(checking ? words.checking : words.holds);
    one.textContent = parts.join(' · ');
    one.classList.toggle('warn', count > 0);
  }
  // `step[2].hours` is said of what was sent: here it has a name.
  function placed(wrong, sent) {
    const [, at, key] = /^step\[(\d+)\]\.?(\w*)/.exec(wrong.key) || [];
    return at ? { ...wrong, step: sent.step[at - 1]?.name, key } : wrong;
  }
  async function save(force = false) {
    if (!dirty() && !force) return;
    const own = missing();
    if (own.length) { wrongs = own; marks(); state(); find('.flow-step.wrong-step')?.focus(); return; }
    const sent = JSON.stringify(flow);
    const content = written();
    const answer = await ask('PATCH', `/flows/${encodeURIComponent(NAME)}`, content, tag && !force ? { 'If-Match': tag } : {});
    if (answer.status === 412) { find('#flow-theirs').showModal(); return; }
    if (!answer.ok) {
      if (answer.status === 401) return;
      wrongs = (answer.body.errors || [answer.body.detail || window.telegraphone.words.failed]).map(line => {
        const [, place, said] = /(step\[\d+\][.\w]*): (.*)$/s.exec(line) || [];
        if (place) return placed({ key: place, expected: said }, content);
        const [, step, text] = /step ([a-z0-9-]+): (.*)$/s.exec(line) || [];
        return { step, key: /`([a-z_]+)`/.exec(text || '')?.[1] || '', expected: text || line };
      });
      marks();
      state();
      find('.flow-step.wrong-step')?.focus();
      return;
    }
    saved = sent;
    tag = answer.tag;
    wrongs = [];
    marks();
    bar();
    toast(window.telegraphone.words.saved);
    if (answer.body.warnings?.length) problems([], answer.body.warnings);
  }
  async function load(replace) {
    const answer = await ask('GET', `/flows/${encodeURIComponent(NAME)}`);
    if (!answer.ok) return;
    tag = answer.tag;
    const theirs = read(answer.body);
    if (!replace && JSON.stringify(sorted(theirs)) === JSON.stringify(sorted(flow))) return;
    if (!replace && dirty()) return;
    flow = theirs;
    saved = JSON.stringify(flow);
    [past, future, wrongs] = [[], [], []];
    after();
  }
  const sorted = ({ start, steps }) => [start, Object.keys(steps).sort().map(name => [name, Object.entries(steps[name]).sort()])];

  window.addEventListener('beforeunload', event => { if (dirty()) event.preventDefault(); });
  const press = (id, act) => find(id).addEventListener('click', event => { if (event.currentTarget.getAttribute('aria-disabled') !== 'true') act(); });
  press('#flow-save', () => save());
  press('#flow-undo', undo);
  press('#flow-redo', redo);
  find('#flow-take').addEventListener('click', () => { find('#flow-theirs').close(); load(true); });
  find('#flow-force').addEventListener('click', () => { find('#flow-theirs').close(); save(true); });
  // Who removes the flow leaves what was typed.
  document.addEventListener('answered', event => { if (event.target.matches('button[data-api^="DELETE /flows"]')) saved = JSON.stringify(flow); });

  document.addEventListener('keydown', event => {
    const command = event.ctrlKey || event.metaKey;
    const writing = event.target.matches('input:not([type=checkbox], [type=radio]), textarea');
    if (command && event.key.toLowerCase() === 's') { event.preventDefault(); save(); }
    if (command && event.key.toLowerCase() === 'z' && !writing) { event.preventDefault(); if (event.shiftKey) redo(); else undo(); }
    if (command && event.key.toLowerCase() === 'y' && !writing) { event.preventDefault(); redo(); }
    const step = event.target.closest?.('[data-step]');
    if (event.altKey && ['ArrowUp', 'ArrowDown'].includes(event.key) && step && !writing) {
      const { up, down } = neighbours(step.dataset.step);
      const name = step.dataset.step;
      if (event.key === 'ArrowUp' && up) { event.preventDefault(); swap(up, name, `${name}:edit`); }
      if (event.key === 'ArrowDown' && down) { event.preventDefault(); swap(name, down, `${name}:edit`); }
    }
  });

  // ---- Checking and trying --------------------------------------------------------------------

  // Whether the service can try flows; it is asked once.
  let tries = true;
  let waiting;
  let asked = 0;
  function check(soon = false) {
    clearTimeout(waiting);
    if (!tries) { wrongs = missing(); marks(); state(); return; }
    checking = true;
    state();
    waiting = setTimeout(trial, soon ? 0 : 350);
  }
  // What the service cannot say: a key without a step is not sent.
  function missing() {
    return Object.entries(flow.steps).flatMap(([name, step]) => Object.entries(step.digits || {}).filter(([, to]) => !to).map(([key]) => ({ step: name, key: `digit ${key}`, expected: say(words.key_nowhere, { key }) })));
  }
  async function trial() {
    const form = find('#flow-try');
    const own = missing();
    const keys = {};
    for (const one of all('[data-keys-of]', form)) if (one.value.trim()) keys[one.dataset.keysOf] = one.value.trim();
    const content = { flow: { name: NAME, ...written() }, answered: form.elements.answered.checked, keys };
    for (const name of ['caller', 'number', 'at']) if (form.elements[name].value.trim()) content[name] = form.elements[name].value.trim();
    if (content.caller) content.caller = content.caller.replace(/[\s()/-]/g, '');
    // While somebody writes a number it is none yet.
    const isCaller = !content.caller || /^\+\d{5,15}$/.test(content.caller) || known.users.some(user => user.extension === content.caller);
    supposition(isCaller ? null : 'caller', words.caller_wrong);
    if (!isCaller) delete content.caller;
    const mine = ++asked;
    const answer = await ask('POST', '/flows/try', content);
    if (mine !== asked) return;
    checking = false;
    if ([404, 405].includes(answer.status)) { tries = false; path = []; wrongs = own; find('#try-result').replaceChildren(h('p', { class: 'muted' }, words.try_none)); marks(); state(); return; }
    if (!answer.ok) {
      const text = (answer.body.errors || [answer.body.detail || '']).join('\n');
      path = [];
      wrongs = own;
      supposition(/^(\w+):/.exec(text)?.[1] ?? '', text);
      find('#try-result').replaceChildren();
      marks();
      state();
      return;
    }
    wrongs = [...own, ...(answer.body.errors || []).map(one => placed(one, content.flow)).filter(one => !(one.key === 'digits' && own.some(mine => mine.step === one.step)))];
    path = answer.body.valid && !own.length ? answer.body.path || [] : [];
    problems(wrongs.filter(one => !one.step || !flow.steps[one.step]), []);
    if (!isCaller) path = [];
    marks();
    state();
    if (isCaller) told(answer.body); else find('#try-result').replaceChildren();
  }
  // What is wrong with what is supposed, at its field.
  function supposition(name, text) {
    const form = find('#flow-try');
    all('[aria-invalid]', form).forEach(mended);
    if (name === null) return;
    const field = form.elements[name];
    if (field?.closest) wrongAt(field, text); else toast(text, true);
  }
  function told({ valid, path: steps, ends, record, because, recording_step: by }) {
    const place = find('#try-result');
    const nobody = ends?.kind === 'hang_up';
    if (!valid || wrongs.length) { place.replaceChildren(h('p', { class: 'muted' }, words.try_invalid)); return; }
    const go = name => () => { const one = find(`[data-step="${CSS.escape(name)}"]`); one?.scrollIntoView({ block: 'center' }); one?.focus(); };
    place.replaceChildren(
      h('p', { class: 'try-verdict' }, icon(record && !nobody ? 'record' : 'close'), h('span', {}, h('strong', {}, nobody ? words.nothing : record ? words.recorded : words.not_recorded), h('span', { class: 'sub' }, say(nobody ? (record ? words.would : words.would_not) : '%why%', { why: by ? say(words.step, by) : words.reasons[because] || because })))),
      h('ol', { class: 'try-path' }, (steps || []).map(({ flow: of, step, sentences, branch }) => h('li', {},
        step && of === NAME && flow.steps[step] ? h('button', { type: 'button', class: 'link', onclick: go(step) }, step) : step ? h('code', {}, step) : null,
        h('span', {}, sentences.join(' ')), branch ? h('span', { class: 'sub' }, `→ ${branch.why}`) : null))),
      ends ? h('p', { class: 'try-end' }, h('strong', {}, ends.text)) : null);
  }
  function problems(lines, warnings) {
    const place = find('#flow-problems');
    place.hidden = !lines.length && !warnings.length;
    place.replaceChildren(icon('warn'), h('ul', {}, [...lines.map(one => one.expected), ...warnings].map(text => h('li', {}, text))));
  }
  // A key is called as its field, or as its branch.
  function inWords(name, { key, expected }) {
    const step = flow.steps[name];
    const labels = { prompt: words.fields.prompt, target: words.fields.target, to: words.fields.to, box: words.fields.box, hours: words.fields.hours, holidays: words.fields.holidays, time_zone: words.fields.time_zone };
    const label = labels[key] || (branchesOf(step).includes(key) ? branchWord(step, key) : null);
    return label ? expected.replaceAll(`\`${key}\``, window.telegraphone.words.quoted.replace('@', label)) : expected;
  }
  // Errors at their steps and fields, and the way that the tried call takes.
  function marks() {
    for (const card of all('.flow-step')) {
      const name = card.dataset.step;
      const mine = wrongs.filter(one => one.step === name);
      const list = find('.wrongs', card);
      card.classList.toggle('wrong-step', mine.length > 0);
      // Of a name the editor itself says what is wrong.
      all('[data-field]:not([data-field="name"])', card).forEach(mended);
      const left = [];
      for (const one of mine) {
        const text = inWords(name, one);
        const field = find(`[data-field="${CSS.escape(one.key)}"]`, card);
        if (field) wrongAt(field, text); else left.push(h('li', { class: 'wrong' }, text));
      }
      list.hidden = !left.length;
      list.replaceChildren(...left);
      const at = path.map((step, index) => (step.flow === NAME && step.step === name ? index + 1 : 0)).filter(Boolean);
      const mark = find('.path-mark', card);
      card.classList.toggle('on-path', at.length > 0);
      mark.hidden = !at.length;
      mark.textContent = at.join(', ');
    }
    const taken = new Set(path.filter(step => step.flow === NAME && step.branch).map(({ step, branch }) => `${step}:${/^[0-9*#]$/.test(branch.exit) ? `digit:${branch.exit}` : branch.exit}`));
    for (const label of all('[data-branch]')) label.classList.toggle('on-path', taken.has(label.dataset.branch));
    if (!tries) problems(wrongs.filter(one => !one.step || !flow.steps[one.step]), []);
  }
  // A field for the keys of each menu.
  function menus() {
    const place = find('#try-keys');
    const was = Object.fromEntries(all('[data-keys-of]', place).map(one => [one.dataset.keysOf, one.value]));
    const names = inTree().filter(name => flow.steps[name].do === 'menu');
    if (names.join() === Object.keys(was).join()) return;
    place.replaceChildren(...names.map(name => h('label', { class: 'field' }, h('span', {}, `${words.kinds.menu[0]}: ${name}`), h('input', { 'data-keys-of': name, inputmode: 'tel', pattern: '[0-9*#]*', maxlength: 32, value: was[name] ?? '', autocomplete: 'off', placeholder: Object.keys(flow.steps[name].digits || {})[0] ?? '' }))));
  }
  find('#flow-try').addEventListener('input', () => check());
  find('#flow-try').addEventListener('submit', event => { event.preventDefault(); check(true); });

  render();
  bar();
  load(false).then(() => check(true));
})();
