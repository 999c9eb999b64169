// What every page does: forms that ask the API, parts that are read anew when an event tells of a change, keys, sounds.
'use strict';
(() => {
  const body = document.body;
  const data = body.dataset;
  const words = JSON.parse(document.getElementById('words')?.textContent || '{}');
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ---- Asking the API -------------------------------------------------------------------------

  // Asks as this page's company, whatever another tab has chosen since.
  function headersOf(more = {}) {
    const company = data.company ? { 'Telegraphone-Company': data.company } : {};
    return { 'X-CSRF-Token': data.csrf, ...company, ...more };
  }

  // { ok, status, body }; a problem (RFC 9457) is its body.
  async function ask(method, path, content, more = {}) {
    const isFile = content instanceof Blob;
    const headers = headersOf({
      ...(content === undefined ? {} : { 'Content-Type': isFile ? (content.type || 'audio/wav') : 'application/json' }),
      ...(method === 'POST' ? { 'Idempotency-Key': crypto.randomUUID() } : {}),
      ...more,
    });
    let response;
    try {
      const sent = content === undefined ? undefined : isFile ? content : JSON.stringify(content);
      response = await fetch(`/api/v1${path}`, { method, headers, body: sent, credentials: 'same-origin' });
    } catch {
      toast(words.offline, true);
      return { ok: false, status: 0, body: {} };
    }
    const text = await response.text();
    let answer = {};
    try { answer = text ? JSON.parse(text) : {}; } catch { answer = { detail: text }; }
    if (response.status === 401) leave();
    return { ok: response.ok, status: response.status, body: answer, tag: response.headers.get('ETag') };
  }

  function leave() {
    if (location.pathname === '/login') return;
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }

  // ---- Words to the reader --------------------------------------------------------------------

  // While a dialog is open nothing outside it can be read or clicked; what is said in it outlives it.
  function placeOfToasts() {
    const dialog = all('dialog[open]').at(-1);
    if (!dialog) return find('#toasts');
    let place = find(':scope > .toasts', dialog);
    if (!place) {
      place = document.createElement('div');
      place.className = 'toasts';
      place.setAttribute('role', 'status');
      dialog.append(place);
      // What went wrong in it is over with it.
      dialog.addEventListener('close', () => { find('#toasts').prepend(...all(':scope > :not([role=alert])', place)); place.remove(); }, { once: true });
    }
    return place;
  }

  // What stands in backticks is a value or a key.
  function written(text) {
    return text.split('`').map((part, at) => (at % 2 ? Object.assign(document.createElement('code'), { textContent: part }) : part));
  }

  function toast(text, wrong = false, action = null) {
    if (!text) return;
    const place = placeOfToasts();
    const one = document.createElement('div');
    one.className = 'toast';
    // What went wrong before is settled, or said again.
    all('.toast[role=alert]', place).forEach(other => other.remove());
    if (wrong) one.setAttribute('role', 'alert');
    const said = document.createElement('span');
    said.append(...written(text));
    one.append(said);
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = action ? action.label : words.close;
    const at = document.activeElement?.closest('[data-id]')?.dataset.id;
    button.addEventListener('click', async () => {
      one.remove();
      find('#main').focus({ preventScroll: true });
      await action?.act();
      if (action && at) standAt(at, find('#main'));
    });
    one.append(button);
    place.append(one);
    // As long as somebody is at it, it stays.
    const last = wrong ? 12000 : action ? 9000 : 4000;
    const go = () => { if (one.matches(':hover') || one.contains(document.activeElement)) setTimeout(go, 2000); else one.remove(); };
    setTimeout(go, last);
  }

  function make(kind, ...children) {
    const one = document.createElement(kind);
    one.append(...children);
    return one;
  }
  function buttonOf(text, kind, act) {
    const one = Object.assign(make('button', text), { type: 'button', className: `button ${kind}`.trim() });
    one.addEventListener('click', act);
    return one;
  }
  // A dialog of the page's own, there until it is closed; the first of its buttons is a way out that changes nothing.
  function openDialog(title, children, buttons) {
    const heading = Object.assign(make('h2', title), { id: 'dialog-title' });
    const dialog = make('dialog', heading, ...children, Object.assign(make('div', ...buttons(() => dialog.close())), { className: 'buttons' }));
    dialog.setAttribute('aria-labelledby', heading.id);
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
  }

  // Asks in a dialog of the page; resolves to whether it was confirmed.
  function sure(text) {
    return new Promise(done => {
      let answer = false;
      const dialog = openDialog(words.sure, [make('p', text)], close => [
        buttonOf(words.cancel, '', close),
        buttonOf(words.yes, 'danger', () => { answer = true; close(); }),
      ]);
      dialog.addEventListener('close', () => done(answer));
      find('.button', dialog).focus();
    });
  }

  // A thing that is to go, and what still leads to it.
  const PLACES = { user: 'users', number: 'numbers', trunk: 'trunks', group: 'groups', inbox: 'inboxes', flow: 'flows', voicemail: 'boxes' };
  function tellUses(uses) {
    const said = JSON.parse(find('#use-words')?.textContent || '{}');
    const lines = new Map(uses.map(({ kind, name, step, key }) => {
      const link = make('a', kind === 'company' ? said.company : `${said[kind]} ${name}`);
      link.href = kind === 'company' ? '/settings' : `/${PLACES[kind]}/${encodeURIComponent(name)}`;
      const place = step ? said.step.replace('@', step) : said.keys[key];
      return [`${kind} ${name} ${step} ${key}`, make('li', link, place ? `, ${place}` : '')];
    }));
    const list = Object.assign(make('ul', ...lines.values()), { className: 'bullets' });
    openDialog(said.title, [make('p', said.help), list], close => [buttonOf(words.close, '', close)]);
  }

  function untell(form) {
    all('[aria-invalid]', form).forEach(mended);
    all('.wrong', form).forEach(one => one.remove());
  }
  // Whoever mends it sees no more of it.
  function mended(field) {
    const [first] = (field.getAttribute('aria-describedby') || '').split(' ');
    const wrong = first && find(`#${CSS.escape(first)}.wrong`);
    if (!wrong) return;
    wrong.remove();
    field.removeAttribute('aria-invalid');
    if (field.dataset.described) field.setAttribute('aria-describedby', field.dataset.described); else field.removeAttribute('aria-describedby');
  }
  for (const kind of ['input', 'change']) document.addEventListener(kind, event => { if (event.target.matches('form[data-api] [aria-invalid]')) mended(event.target); });
  document.addEventListener('close', event => all('form[data-api]', event.target).forEach(untell), true);
  document.addEventListener('reset', event => untell(event.target));
  // What is shown this once goes when somebody says so, not by a key.
  for (const kind of ['keydown', 'cancel']) {
    document.addEventListener(kind, event => {
      if ((kind === 'cancel' || event.key === 'Escape') && all('dialog[open]').at(-1)?.matches('[data-holds]')) event.preventDefault();
    }, true);
  }
  function wrongAt(field, text) {
    const wrong = document.createElement('span');
    wrong.className = 'wrong';
    wrong.id = `wrong-${Math.random().toString(36).slice(2)}`;
    wrong.append(...written(text));
    field.setAttribute('aria-invalid', 'true');
    field.dataset.described ??= field.getAttribute('aria-describedby') || '';
    field.setAttribute('aria-describedby', `${wrong.id} ${field.dataset.described}`.trim());
    (field.matches('fieldset') ? field : field.closest('.field, .choice') || field.parentElement).append(wrong);
    const fold = field.closest('details');
    if (fold) fold.open = true;
  }
  // What a browser would say in its own language and place is said as what the service says.
  function flawOf(field) {
    const { validity: state, min, max } = field;
    const { flaws } = words;
    if (state.customError) return field.validationMessage;
    if (state.valueMissing) return field.matches('select, [type=checkbox], [type=radio]') ? flaws.choose : flaws.missing;
    if (state.badInput) return flaws.number;
    if (state.typeMismatch) return flaws[field.type] || flaws.other;
    if (state.rangeUnderflow || state.rangeOverflow) return (max === '' ? flaws.least : flaws.between).replace('@', min).replace('#', max);
    if (state.stepMismatch) return flaws.whole;
    if (state.tooShort) return flaws.short.replace('@', field.minLength);
    // What is wanted stands beside it.
    const help = (field.dataset.described || field.getAttribute('aria-describedby') || '').split(' ').map(id => id && find(`#${CSS.escape(id)}`)).find(Boolean);
    return field.dataset.wrong || help?.textContent.trim() || flaws.other;
  }
  // What a problem says, and which fields it is about: `user[201].name: …` or `key: `value`: …`.
  function tell(form, { body: problem }) {
    untell(form);
    if (problem.uses?.length) { tellUses(problem.uses); return; }
    // Where it is (`user 201 of acme: `) the reader sees.
    const whole = problem.errors?.length ? problem.errors : [problem.detail || words.failed];
    const lines = new Set(whole.map(line => line.replace(/^(?:company [^:]*|[a-z]+ [^:]* of [^:]*): /, '')));
    const others = [];
    // A key is called as its field is.
    const labelOf = name => {
      const field = all('[name]', form).find(one => one.name === name || one.name.endsWith(`.${name}`));
      const around = field?.closest('.field');
      return field && ((around && find('.label, :scope > span', around)) || field.labels?.[0])?.textContent.trim();
    };
    for (const line of lines) {
      // A key within a key stands behind it: `commands: pause `#11#`: …`.
      const head = line.split('`')[0].replaceAll(': ', '.');
      const key = /^`([\w.]+)`/.exec(line)?.[1];
      const isOf = one => line.startsWith(`\`${one.name}\``) || new RegExp(`(^|[^a-z_])${one.name.replaceAll('.', '\\.')}([^a-z_]|$)`).test(head);
      const shown = all('[name]', form).filter(one => !one.closest('[hidden]') && one.type !== 'hidden');
      const longest = shown.filter(isOf).sort((one, other) => other.name.length - one.name.length)[0]
        || shown.find(one => one.name.includes('.') && [key, ...head.split(/[^a-z_]+/)].includes(one.name.split('.').at(-1)));
      // `user 201 is there already`: the field with the name that is taken.
      const taken = problem.status === 409 && (shown.find(one => one.required && one.value && line.split(/[ :,]/).includes(one.value)) || find('[name=role]', form));
      const field = longest || taken;
      if (!field) { others.push(line); continue; }
      const text = field.dataset.wrong || line.replace(/^[\w.[\]]+: /, '');
      wrongAt(field, text.replace(/`([\w.]+)`/g, (whole, name) => (labelOf(name) ? words.quoted.replace('@', labelOf(name)) : whole)));
    }
    find('[aria-invalid]', form)?.focus();
    if (!others.length) return;
    if (!form.closest('dialog[open]')) { toast(others.join('\n'), true); return; }
    // Below an open dialog nobody would see it.
    const wrong = document.createElement('p');
    wrong.className = 'notice warn wrong';
    wrong.setAttribute('role', 'alert');
    wrong.append(...written(others.join('\n')));
    form.prepend(wrong);
  }

  // ---- Forms ----------------------------------------------------------------------------------

  // A value as the API takes it, by `data-type`.
  function valueOf(field) {
    const text = field.value;
    switch (field.dataset.type) {
      case 'int': return text === '' ? null : Number(text);
      case 'bool': return field.type === 'checkbox' ? field.checked : text === 'true';
      case 'tri': return text === 'inherit' || text === '' ? 'inherit' : text === 'true';
      case 'list': return text.split(/[\n,]+/).map(part => part.trim()).filter(Boolean);
      case 'rows': return text.split('\n').map(part => part.trim()).filter(Boolean);
      case 'json': return text.trim() ? JSON.parse(text) : null;
      case 'optional': return text === '' ? null : text;
      case 'int-or-inherit': return text === '' || text === 'inherit' ? 'inherit' : Number(text);
      default: return field.type === 'checkbox' && !field.hasAttribute('value') ? field.checked : text;
    }
  }

  // `a.b` is a key within a key. Checkboxes of one name with `data-each` are a list of those that are checked.
  function contentOf(form) {
    const content = {};
    const put = (name, value) => {
      const keys = name.split('.');
      let at = content;
      for (const key of keys.slice(0, -1)) at = at[key] ??= {};
      at[keys.at(-1)] = value;
    };
    const lists = new Set();
    for (const field of form.elements) {
      if (!field.name || field.disabled || field.dataset.skip !== undefined) continue;
      if (field.type === 'radio' && !field.checked) continue;
      if (field.dataset.each !== undefined) { lists.add(field.name); continue; }
      if (field.type === 'submit' || field.type === 'button' || field.type === 'file') continue;
      if (field.dataset.absent !== undefined && field.value === '') continue;
      put(field.name, valueOf(field));
    }
    for (const name of lists) {
      put(name, all(`[name="${CSS.escape(name)}"][data-each]`, form).filter(field => field.checked && !field.disabled).map(field => field.value));
    }
    return content;
  }

  // What differs from how the form was when it came.
  const came = new WeakMap();
  function changedOf(form) {
    const [before, now] = [came.get(form) || {}, contentOf(form)];
    const differ = (old, fresh) => {
      const out = {};
      for (const [key, value] of Object.entries(fresh)) {
        if (JSON.stringify(value) === JSON.stringify(old?.[key])) continue;
        const isObject = value && typeof value === 'object' && !Array.isArray(value);
        out[key] = isObject ? differ(old?.[key] || {}, value) : value;
      }
      return out;
    };
    return differ(before, now);
  }

  function remember(root, isNew = () => true) {
    for (const form of all('form[data-api]', root).filter(isNew)) {
      came.set(form, contentOf(form));
      form.noValidate = true;
    }
  }
  // Whether somebody has written something in it that was not sent.
  function isDirty(form) {
    try { return came.has(form) && Object.keys(changedOf(form)).length > 0; } catch { return true; }
  }

  // What has no answer, or leads to the log-in, has been said.
  const isTold = ({ status }) => status !== 0 && status !== 401;

  // `{name}` in a path is a field of the form, which is then no part of the content.
  function filled(path, content) {
    return path.replace(/\{([\w.]+)\}/g, (_, name) => {
      const value = content[name];
      delete content[name];
      return encodeURIComponent(value ?? '');
    });
  }

  async function send(form, submitter) {
    const { api, then, said, sure: question, whole } = form.dataset;
    untell(form);
    const flawed = [...form.elements].filter(one => one.willValidate && !one.validity.valid && !one.closest('[hidden]'));
    flawed.forEach(one => wrongAt(one, flawOf(one)));
    if (flawed.length) { flawed[0].focus(); return; }
    if (question && !(await sure(question))) return;
    const [method, place] = api.split(' ');
    let content;
    try {
      content = contentOf(form);
      if (method === 'PATCH' && whole === undefined) {
        content = changedOf(form);
        if (!Object.keys(content).length) { toast(words.unchanged); return; }
      }
    } catch (error) {
      toast(String(error.message || error), true);
      return;
    }
    // Days of keeping, 0 for ever: fewer of them delete something.
    const { sureShorter, was, shorter } = form.dataset;
    const days = Number(content[sureShorter]);
    if (sureShorter && days > 0 && (Number(was) === 0 || days < Number(was)) && !(await sure(shorter))) return;
    const path = filled(place, content);
    const file = find('input[type=file]', form)?.files[0];
    const bare = method === 'DELETE' || (method === 'PUT' && whole === undefined && !Object.keys(content).length);
    const sent = file || (bare ? undefined : content);
    const button = submitter || find('button:not([type=button])', form);
    if (button?.getAttribute('aria-disabled') === 'true') return;
    const tagged = () => (form.dataset.tag ? { 'If-Match': form.dataset.tag } : {});
    let [answer, merged] = [null, false];
    button?.setAttribute('aria-disabled', 'true');
    try {
      answer = await ask(method, path, sent, tagged());
      merged = answer.status === 412 && await onlyElsewhere(form, content);
      if (merged) answer = await ask(method, path, sent, tagged());
    } finally { button?.removeAttribute('aria-disabled'); }
    if (answer.status === 412) { toast(words.stale, true, { label: words.load, act: () => renew(form) }); return; }
    if (!answer.ok) { if (isTold(answer)) tell(form, answer); return; }
    untell(form);
    // Forms of the same thing that show it as this one does go on from what it is now.
    const sentOf = form.dataset.tag;
    if (answer.tag && sentOf) all('form[data-tag]').filter(one => one.dataset.tag === sentOf).forEach(one => { one.dataset.tag = answer.tag; });
    form.dispatchEvent(new CustomEvent('answered', { bubbles: true, detail: answer.body }));
    const dialog = form.closest('dialog');
    if (then !== undefined) { sessionStorage.setItem('told', said || (method === 'DELETE' ? words.removed : words.saved)); location.assign(then.replace(/\{([\w.]+)\}/g, (_, name) => encodeURIComponent(answer.body[name] ?? ''))); return; }
    if (said !== undefined || form.dataset.quiet === undefined) toast(said || words.saved);
    if (form.dataset.clear !== undefined) form.reset();
    // What is in it from here on is what was sent, or nothing: nobody loses it when the part is read anew.
    came.set(form, contentOf(form));
    if (dialog && form.dataset.keep === undefined) dialog.close();
    if (form.dataset.keep === undefined) refresh();
    // What somebody else changed in it is not here yet.
    if (merged) renew(form);
  }

  // The same form of the page as it is now; null where there is none.
  async function formNow(form) {
    const page = await lists.part(new URL(location.href));
    const label = one => one.getAttribute('aria-labelledby') || one.getAttribute('aria-label');
    return (page && all('form[data-guard], form[data-tag]', page).find(one => label(one) === label(form))) || null;
  }
  // Puts it in place of this one; whether it could.
  async function renew(form) {
    const fresh = await formNow(form);
    if (!fresh) return false;
    const stood = form.contains(document.activeElement);
    form.replaceWith(fresh);
    remember(document, one => one === fresh);
    settle(fresh);
    document.dispatchEvent(new CustomEvent('shown', { detail: fresh }));
    if (stood) find('button:not([type=button])', fresh)?.focus({ preventScroll: true });
    return true;
  }

  // The thing has changed since the form came. Where nobody changed what is sent here, it is sent of what the thing is now.
  async function onlyElsewhere(form, content) {
    const fresh = await formNow(form);
    if (!fresh) return false;
    const same = (sent, before, now) => Object.entries(sent).every(([key, value]) => {
      const isObject = value && typeof value === 'object' && !Array.isArray(value);
      return isObject ? same(value, before?.[key] || {}, now?.[key] || {}) : JSON.stringify(before?.[key]) === JSON.stringify(now?.[key]);
    });
    if (!same(content, came.get(form) || {}, contentOf(fresh))) return false;
    form.dataset.tag = fresh.dataset.tag;
    return true;
  }

  document.addEventListener('submit', event => {
    const form = event.target;
    if (form.matches('form[data-api]')) { event.preventDefault(); send(form, event.submitter); }
    if (form.matches('form[data-filters]')) { event.preventDefault(); filter(form); }
  });

  // A button that asks the API by itself, with `data-content` as JSON.
  async function press(button) {
    const { api, sure: question, content, then, said, undo, ofCompany } = button.dataset;
    if (question && !(await sure(question))) return;
    const [method, path] = api.split(' ');
    // Whoever clicks twice wants it once.
    button.setAttribute('aria-disabled', 'true');
    let answer;
    try {
      answer = await ask(method, path, content ? JSON.parse(content) : undefined, ofCompany ? { 'Telegraphone-Company': ofCompany } : {});
    } finally { button.removeAttribute('aria-disabled'); }
    if (!answer.ok) {
      if (answer.body.uses?.length) tellUses(answer.body.uses);
      else if (isTold(answer)) toast((answer.body.errors || [answer.body.detail || words.failed]).join('\n'), true);
      return;
    }
    button.dispatchEvent(new CustomEvent('answered', { bubbles: true, detail: answer.body }));
    if (then !== undefined) { sessionStorage.setItem('told', said || (method === 'DELETE' ? words.removed : words.done)); location.assign(then); return; }
    if (undo) {
      const [undoing, place] = undo.split(' ');
      toast(said || words.done, false, { label: words.undo, act: async () => { await ask(undoing, place, button.dataset.undoContent ? JSON.parse(button.dataset.undoContent) : undefined); refresh(); } });
    } else if (button.dataset.quiet === undefined || said) toast(said || words.done);
    refresh();
  }

  // ---- Choosing a company ---------------------------------------------------------------------

  // The choice is the browser's, each of its tabs remembers its own: one that comes into another company says so.
  // Whoever logs in next begins anew.
  if (location.pathname === '/login') sessionStorage.clear();
  const mine = sessionStorage.getItem('company');
  if (find('#moved')) {
    if (mine && mine !== data.company) {
      const moved = find('#moved').content.cloneNode(true);
      const back = find('[data-choose-company]', moved);
      back.dataset.chooseCompany = mine;
      back.textContent = back.textContent.replace('@', mine);
      find('#moved-place').append(moved);
    } else sessionStorage.setItem('company', data.company);
  }
  document.addEventListener('click', event => {
    if (event.target.closest('[data-stay]')) {
      sessionStorage.setItem('company', data.company);
      find('#moved-place').replaceChildren();
      find('#main').focus();
    }
    const chosen = event.target.closest('[data-choose-company]');
    if (!chosen) return;
    sessionStorage.setItem('company', chosen.dataset.chooseCompany);
    keep('telegraphone_company', chosen.dataset.chooseCompany);
    // The same address is another thing there.
    const isList = location.pathname.split('/').length === 2;
    const next = new URLSearchParams(location.search).get('next') || '';
    if (chosen.dataset.here !== undefined && isList) location.reload();
    else location.assign(chosen.dataset.here === undefined && /^\/[a-z]/.test(next) ? next : '/calls');
  });

  // ---- Filters --------------------------------------------------------------------------------

  // A part of this page anew: from `place`, and into it.
  async function load(selector, place, { push = false } = {}) {
    const target = find(selector);
    if (!target) return;
    // Each part waits for itself alone: of requests of one source htmx keeps the last that waits.
    await window.htmx.ajax('GET', place, { source: target, target: selector, select: selector, swap: 'outerHTML' });
    if (push) history.replaceState(history.state, '', place);
  }

  let typing;
  function filter(form) {
    const pairs = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== '') pairs.append(name, value);
    const place = `${location.pathname}${[...pairs].length ? `?${pairs}` : ''}`;
    load(form.dataset.filters, place, { push: true });
    all('[data-follow-filters]').forEach(one => { if (one.id) load(`#${one.id}`, place); });
    all('a[data-filtered]').forEach(link => { link.search = pairs.toString(); });
    filtered(pairs);
  }
  // All filters are taken away at once; which box and folder are looked at is none of them.
  function filtered(pairs) {
    for (const form of all('form[data-filters]')) {
      const place = new URLSearchParams(all('input[type=hidden]', form).map(({ name, value }) => [name, value]));
      const names = new Set([...form.elements].map(({ name }) => name).filter(name => name && !place.has(name)));
      const isSet = [...pairs].some(([name, value]) => value && names.has(name));
      const clear = find('a[data-clear]', form);
      if (!clear) continue;
      clear.href = `${location.pathname}${place.size ? `?${place}` : ''}`;
      clear.hidden = !isSet;
    }
  }
  // Whoever looks at one inbox goes on with it from page to page, until they choose another, or none.
  const INBOX = `inbox of ${data.company}`;
  function keepInbox() {
    const inbox = sessionStorage.getItem(INBOX);
    const places = new Set(all('.nav a[data-inbox-kept]').map(link => link.pathname));
    for (const link of all('.nav a, a.brand, a.crumb').filter(one => places.has(one.pathname))) {
      const query = new URLSearchParams(link.search);
      if (inbox) query.set('inbox', inbox); else query.delete('inbox');
      link.search = query.toString();
    }
  }
  function chooseInbox(inbox) {
    if (inbox) sessionStorage.setItem(INBOX, inbox); else sessionStorage.removeItem(INBOX);
    keepInbox();
  }
  document.addEventListener('change', event => { if (event.target.matches('.filters select[name=inbox]')) chooseInbox(event.target.value); });
  document.addEventListener('click', event => { if (event.target.closest('a[data-clear]')) chooseInbox(''); });
  document.addEventListener('input', event => {
    const form = event.target.closest('form[data-filters]');
    if (!form) return;
    clearTimeout(typing);
    typing = setTimeout(() => filter(form), event.target.matches('input[type=search], input:not([type])') ? 250 : 0);
  });

  // ---- Long lists -----------------------------------------------------------------------------

  const lists = window.telegraphoneLists({ find, all, headersOf, leave, settle });
  const { merge } = lists;

  // ---- Events ---------------------------------------------------------------------------------

  const waiting = new Map();
  function soon(key, act) {
    if (waiting.has(key)) return;
    waiting.set(key, setTimeout(() => { waiting.delete(key); act(); }, 120));
  }

  // Everything on the page that shows what the API has.
  function refresh() {
    document.dispatchEvent(new CustomEvent('refreshed'));
    const seen = new Set();
    for (const region of all('[data-live], [data-merge], [data-part]')) {
      if (!region.id || seen.has(region.id)) continue;
      seen.add(region.id);
      if (region.dataset.merge !== undefined) merge(region); else reload(region);
    }
    counts();
  }
  // `data-poll="3000"`: a part of which no event tells is looked at again, while one looks at it and nobody is in it.
  const polled = new Map();
  setInterval(() => {
    if (document.visibilityState !== 'visible' || find('dialog[open]')) return;
    for (const region of all('[data-poll]')) {
      const [last, now] = [polled.get(region.id), Date.now()];
      if (last === undefined) { polled.set(region.id, now); continue; }
      if (now - last < (Number(region.dataset.poll) || 3000)) continue;
      // The next look begins when this one is over.
      polled.set(region.id, Infinity);
      const looked = region.dataset.merge !== undefined ? merge(region) : look(region);
      Promise.resolve(looked).finally(() => polled.set(region.id, Date.now()));
    }
  }, 1000);
  // Only what has changed is put in place of what one reads.
  async function look(region) {
    const fresh = find(`#${CSS.escape(region.id)}`, await lists.part(new URL(location.href)) || document);
    if (fresh && fresh.innerHTML !== lists.asCame(region).innerHTML) await reload(region);
  }
  // Whoever listens goes on listening, unless it is not for them any more.
  async function stillMine(region) {
    const response = await fetch(location.href, { headers: headersOf({ 'HX-Request': 'true' }), credentials: 'same-origin' }).catch(() => null);
    if (!response) return;
    const fresh = response.ok ? new DOMParser().parseFromString(await response.text(), 'text/html') : null;
    const sources = all('[data-source]', region).map(one => one.dataset.source);
    if (!fresh || sources.some(source => !find(`[data-source="${CSS.escape(source)}"]`, fresh))) location.reload();
  }
  // A player goes on as one has set it, unless it is another one; and so does what one is writing.
  const firstOf = new WeakMap();
  const staying = new Map();
  function noteStaying(root) {
    for (const one of all('[data-stays]', root)) if (!firstOf.has(one)) firstOf.set(one, one.outerHTML);
  }
  function stay(root) {
    const field = document.activeElement;
    for (const one of all('[data-stays]', root)) {
      const was = staying.get(one.dataset.stays);
      if (!was || was === one || was.isConnected) continue;
      staying.delete(one.dataset.stays);
      const isSame = firstOf.get(was) === one.outerHTML;
      if (!isSame && !all('form[data-api]', was).some(isDirty)) continue;
      const stood = (field === document.body && was.contains(last)) || one.contains(field);
      one.replaceWith(was);
      if (stood && was.contains(last)) last.focus({ preventScroll: true });
    }
  }
  let last = null;
  document.addEventListener('focusin', event => { if (!staying.size) last = event.target; });
  // What somebody is writing in is left alone.
  function reload(region) {
    if (region.matches('dialog[open]')) return;
    const field = document.activeElement;
    const stays = one => all('[data-stays]', region).some(inner => inner.contains(one));
    if (region.contains(field) && !stays(field) && field.matches('input:not([type=checkbox]), textarea, select') && field.value !== field.defaultValue) return;
    if (all('form[data-api]', region).some(form => isDirty(form) && !stays(form))) return;
    if (all('audio', region).some(sound => !sound.paused)) { stillMine(region); return; }
    // What one has opened or closed stays so, and whoever stands on a button stays there.
    const folds = all('details[id]', region).map(({ id, open }) => ({ id, open }));
    const stops = one => all('a[href], button, summary, input, select, textarea', one);
    const at = stops(region).indexOf(document.activeElement);
    const stood = at >= 0;
    all('[data-stays]', region).forEach(one => staying.set(one.dataset.stays, one));
    return load(`#${region.id}`, location.pathname + location.search).then(() => {
      for (const { id, open } of folds) { const fold = find(`#${CSS.escape(id)}`); if (fold) fold.open = open; }
      if (stood && !document.activeElement?.closest('[data-stays]')) (stops(find(`#${CSS.escape(region.id)}`) || document)[at] || find('#main')).focus({ preventScroll: true });
      // The thing is not for this reader any more: the whole page says so.
      if (!find(`#${CSS.escape(region.id)}`)) location.reload();
    });
  }
  document.addEventListener('htmx:responseError', event => {
    const status = event.detail.xhr.status;
    if (status === 401) leave();
    else if (status === 404 || status === 410 || status === 403) location.reload();
  });
  document.addEventListener('htmx:configRequest', event => Object.assign(event.detail.headers, headersOf()));

  function happened(family, kind, told) {
    document.dispatchEvent(new CustomEvent('happened', { detail: { family, kind, told } }));
    for (const region of all('[data-live]')) {
      if (region.dataset.live.split(' ').includes(family)) soon(region.id, () => reload(find(`#${region.id}`) || region));
    }
    for (const region of all('[data-merge]')) {
      if (region.dataset.merge.split(' ').includes(family)) soon(region.id, () => merge(find(`#${region.id}`) || region));
    }
    for (const region of all('[data-reload]')) {
      if (region.dataset.reload.split(' ').includes(family)) soon(region.id, () => reload(find(`#${region.id}`) || region));
    }
    lists.renewed(told.call, told.message);
    if (['voicemail', 'message', 'call', 'rights'].includes(family)) soon('counts', counts);
  }

  const KINDS = ['call.started', 'call.answered', 'call.transferred', 'call.ended', 'call.noted', 'recording.started', 'recording.paused',
    'recording.resumed', 'recording.finished', 'recording.failed', 'recording.recovered', 'recording.deleted', 'voicemail.created',
    'voicemail.updated', 'voicemail.deleted', 'message.received', 'message.sent', 'message.delivered', 'message.failed', 'message.read',
    'message.note', 'rights'];
  // Without a connection what is shown gets old, a call that is up before all: it says so until there is one again.
  let missed;
  function reached(isThere) {
    clearTimeout(missed);
    missed = isThere ? undefined : setTimeout(() => {
      const notice = find('#unreached');
      notice.textContent = words.offline;
      notice.hidden = false;
      document.documentElement.dataset.unreached = '';
    }, 3000);
    if (!isThere) return;
    find('#unreached').hidden = true;
    delete document.documentElement.dataset.unreached;
  }
  let stream;
  function listen() {
    if (!data.csrf || (document.querySelector('.nav-company') && !data.company)) return;
    stream = new EventSource('/api/v1/events?rights=true');
    let opened = 0;
    // What happened between the making of the page and here, or while there was no connection.
    stream.addEventListener('open', () => { reached(true); if (opened++ || performance.now() > 3000) refresh(); });
    for (const kind of KINDS) {
      stream.addEventListener(kind, event => {
        let told = {};
        try { told = JSON.parse(event.data || '{}'); } catch { /* The kind says enough. */ }
        happened(kind.split('.')[0], kind, told);
      });
    }
    stream.addEventListener('error', async () => {
      reached(false);
      if (stream.readyState !== EventSource.CLOSED) return;
      const { status } = await ask('GET', '/me');
      if (status === 200) setTimeout(listen, 2000);
    });
  }
  window.addEventListener('pagehide', () => { stream?.close(); clearTimeout(missed); });
  // A page that the browser kept whole is as old as its going.
  window.addEventListener('pageshow', event => { if (event.persisted) location.reload(); });

  // ---- What waits, in the navigation ----------------------------------------------------------

  async function counts() {
    if (!find('[data-count]')) return;
    const show = (name, count) => {
      const badge = find(`[data-count="${name}"]`);
      if (!badge) return;
      badge.hidden = !count;
      badge.textContent = count > 99 ? '99+' : count;
    };
    const [mail, texts, live] = await Promise.all([
      ask('GET', '/messages/counts'), ask('GET', '/conversations?unread=true&limit=100'), ask('GET', '/calls/live'),
    ]);
    show('voicemail', mail.ok ? mail.body.new ?? mail.body.all?.new ?? mail.body.total?.new ?? 0 : 0);
    show('messages', texts.ok ? (texts.body.conversations || []).length : 0);
    show('live', live.ok ? (live.body.calls || []).length : 0);
  }

  // ---- Sound in a list ------------------------------------------------------------------------

  const phone = matchMedia('(max-width: 30rem) and (pointer: coarse)');

  function play({ play: source, title, href }, id) {
    const dock = find('#dock');
    const there = find('audio', dock);
    // The same one again: it stops, or goes on.
    if (there?.getAttribute('src') === source) { if (there.paused) there.play(); else there.pause(); return; }
    dock.hidden = false;
    dock.replaceChildren();
    const link = document.createElement('a');
    link.href = href || '#';
    link.textContent = title || '';
    const sound = document.createElement('audio');
    sound.controls = true;
    // Whoever may fetch it has a link for that.
    sound.setAttribute('controlslist', 'nodownload');
    sound.src = source;
    sound.autoplay = true;
    sound.setAttribute('aria-label', title || '');
    const close = document.createElement('button');
    close.type = 'button';
    close.className = 'button small';
    close.textContent = words.close;
    close.addEventListener('click', () => { sound.pause(); dock.hidden = true; dock.replaceChildren(); });
    dock.append(link, sound, close);
    sound.addEventListener('playing', () => soon('heard', () => { all('[data-merge]').forEach(merge); lists.renewed(id); }), { once: true });
    sound.addEventListener('error', () => toast(words.failed, true));
  }

  find('.nav [aria-current]')?.scrollIntoView({ block: 'nearest' });

  // ---- Clicks and keys ------------------------------------------------------------------------

  document.addEventListener('click', event => {
    const target = event.target.closest('button, a, summary');
    if (!target) return;
    if (target.getAttribute('aria-disabled') === 'true') { event.preventDefault(); return; }
    // On a phone the list is a calling app's history: tapped, a call is heard; its page is behind its name below.
    const tapped = event.detail > 0 && phone.matches && target.matches('.cover') && target.closest('.row')?.querySelector('[data-play]');
    if (tapped) {
      event.preventDefault();
      play(tapped.dataset, target.closest('[data-id]')?.dataset.id);
      find('#dock audio')?.focus({ preventScroll: true });
      return;
    }
    if (target.matches('button[data-api]')) press(target);
    if (target.matches('[data-play]')) play(target.dataset, target.closest('[data-id]')?.dataset.id);
    if (target.matches('[data-open]')) find(target.dataset.open)?.showModal();
    if (target.matches('[data-close]')) target.closest('dialog')?.close();
    if (target.matches('[data-copy]')) navigator.clipboard.writeText(find(target.dataset.copy)?.textContent ?? target.dataset.copy).then(() => toast(words.copied));
    if (target.matches('.menu-button')) {
      const open = find('.nav').classList.toggle('open');
      target.setAttribute('aria-expanded', String(open));
      if (open) all('.nav a').find(one => one.offsetParent)?.focus();
    }
    if (target.matches('[data-theme-switch]')) {
      const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark');
      const theme = dark ? 'light' : 'dark';
      document.documentElement.dataset.theme = theme;
      keep('telegraphone_theme', theme);
    }
    if (target.matches('.more a') && target.closest('[data-more]')) { event.preventDefault(); lists.more(target.closest('[data-more]')); }
  });

  // A choice of this browser's, for a year.
  function keep(name, value) {
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=31536000; SameSite=Strict${secure}`;
  }
  document.addEventListener('change', event => {
    const field = event.target;
    if (field.matches('[data-keep-cookie]')) { keep(field.dataset.keepCookie, field.value); location.reload(); }
    if (field.matches('[data-submit]')) field.form?.requestSubmit();
    if (field.matches('[data-shows]')) showWhat(field);
  });
  // A field whose value decides which others are there: `data-shows="name"`, and `data-when="value value"` at those.
  function showWhat(field) {
    const value = field.type === 'checkbox' ? String(field.checked) : field.value;
    for (const one of all(`[data-of="${field.dataset.shows}"]`, field.form || document)) {
      one.hidden = !one.dataset.when.split(' ').includes(value);
      all('input, select, textarea', one).forEach(inner => { inner.disabled = one.hidden; });
    }
  }

  // j and k go through a list, Enter opens, space plays, / searches.
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape' && find('.nav.open')) { find('.nav').classList.remove('open'); find('.menu-button').setAttribute('aria-expanded', 'false'); find('.menu-button').focus(); return; }
    if (event.target.matches('input, select, textarea, audio, [contenteditable]')) return;
    if (event.key === '/') { const search = find('[data-shortcut="/"]'); if (search) { event.preventDefault(); search.focus(); } return; }
    const list = find('[data-keys]');
    if (!list) return;
    const sound = event.key === ' ' && event.target.matches('.cover') && find('[data-play]', event.target.closest('.row'));
    if (sound) { event.preventDefault(); sound.click(); }
    if (!['j', 'k'].includes(event.key)) return;
    event.preventDefault();
    go(list, event.key === 'j' ? 1 : -1);
  });
  async function go(list, way) {
    const at = document.activeElement.closest('.row');
    const next = at?.parentElement === list ? await lists.step(at, way) : find(':scope > .row', list);
    if (!next) return;
    find('.cover', next)?.focus();
    next.scrollIntoView({ block: 'nearest' });
  }

  // A search over a list of choices that is on the page already.
  document.addEventListener('input', event => {
    const field = event.target;
    if (!field.matches('[data-narrows]')) return;
    const wanted = field.value.trim().toLowerCase();
    for (const one of all('[data-find]', find(field.dataset.narrows))) one.hidden = wanted !== '' && !one.dataset.find.toLowerCase().includes(wanted);
  });

  // ---- Time -----------------------------------------------------------------------------------

  function lengthOf(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, String(seconds % 60).padStart(2, '0')];
    return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
  }
  function tick() {
    for (const one of all('[data-since]')) one.textContent = lengthOf(Date.now() - Date.parse(one.dataset.since));
  }
  setInterval(tick, 1000);

  // ---- Levels of calls that are up ------------------------------------------------------------

  let levels;
  function meter() {
    const wanted = find('[data-live-call] [data-level]') && document.visibilityState === 'visible';
    if (!wanted) { levels?.close(); levels = null; return; }
    if (levels && levels.readyState !== EventSource.CLOSED) return;
    levels = new EventSource('/api/v1/calls/live/levels');
    levels.addEventListener('levels', event => {
      for (const call of JSON.parse(event.data).calls) {
        const row = find(`[data-live-call="${call.id}"]`);
        if (!row) continue;
        for (const side of ['caller', 'callee']) {
          const shown = find(`[data-level="${side}"]`, row);
          if (shown) shown.value = Math.max(-60, call[side] ?? -60);
        }
      }
    });
  }
  document.addEventListener('visibilitychange', meter);
  window.addEventListener('pagehide', () => levels?.close());

  // ---- Where one was --------------------------------------------------------------------------

  // Whoever opens a row and comes back stands on it again.
  document.addEventListener('click', event => {
    const row = event.target.closest('.row[data-id] a[href]')?.closest('.row');
    if (row) history.replaceState({ ...history.state, row: row.dataset.id }, '');
  });
  function stand() {
    const id = ['back_forward', 'reload'].includes(performance.getEntriesByType('navigation')[0]?.type) && history.state?.row;
    if (id) standAt(id, document.body);
  }
  // On a row, as soon as it is there, unless one has gone elsewhere from `from`.
  function standAt(id, from) {
    let tries = 20;
    const look = () => {
      const row = find(`.row[data-id="${CSS.escape(id)}"]`);
      if (document.activeElement !== from) return;
      if (row) find('.cover, a[href]', row)?.focus({ preventScroll: true });
      else if (tries--) setTimeout(look, 100);
    };
    look();
  }

  // ---- Beginning ------------------------------------------------------------------------------

  function settle(root) {
    lists.watch(root === document ? document : root.parentElement || document);
    noteStaying(document);
    all('[data-shows]', root).forEach(showWhat);
    tick();
    meter();
  }
  document.addEventListener('htmx:afterSettle', event => { stay(document); remember(document, form => !came.has(form)); settle(document); document.dispatchEvent(new CustomEvent('shown', { detail: event.target })); });
  window.telegraphone = { ask, toast, sure, tell, refresh, contentOf, lengthOf, words, find, all, data, remember, isDirty, renew, settle, wrongAt, mended, headersOf, renewed: lists.renewed };
  remember(document);
  settle(document);
  lists.restore();
  stand();
  // What was done on the page before.
  const told = sessionStorage.getItem('told');
  if (told) { sessionStorage.removeItem('told'); toast(told); }
  // Whoever closes a dialog that another has opened stands on the page, not nowhere.
  document.addEventListener('close', () => setTimeout(() => { if (document.activeElement === document.body) find('#main').focus({ preventScroll: true }); }), true);
  const query = new URLSearchParams(location.search);
  filtered(query);
  // An inbox that is gone leads nowhere.
  if (find('[data-problem]')) chooseInbox(''); else if (query.get('inbox')) chooseInbox(query.get('inbox')); else keepInbox();
  // Whoever comes from elsewhere brings no session along (SameSite): asked from here there may be one.
  if (find('[data-foreign]')) {
    fetch('/api/v1/me', { credentials: 'same-origin' }).then(response => {
      if (response.ok) location.replace(find('[name=next]')?.value || '/calls');
    }).catch(() => {});
  }
  counts();
  listen();
})();
