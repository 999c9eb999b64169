// Pages on which a company is set up: lists that are searched, people that are picked, what is shown once.
'use strict';
(() => {
  const { ask, toast, find, all, contentOf, isDirty } = window.telegraphone;
  const words = JSON.parse(document.getElementById('admin-words')?.textContent || '{}');
  const make = (kind, name = '', text = '') => {
    const one = document.createElement(kind);
    if (name) one.className = name;
    if (text) one.textContent = text;
    return one;
  };
  const said = (text, values) => Object.entries(values).reduce((all, [mark, value]) => all.replace(mark, value), text || '');

  // Every page of a list of the API, from `after` on; long companies come in steps of 200.
  async function rest(list, after, take) {
    for (let pages = 0; after && pages < 100; pages += 1) {
      const answer = await ask('GET', `/${list}?limit=200&after=${encodeURIComponent(after)}`);
      if (!answer.ok) return;
      take(answer.body[list] || []);
      after = answer.body.next;
    }
  }

  // ---- What was changed and is not saved -------------------------------------------------------

  function mark(form) {
    const dirty = isDirty(form);
    form.toggleAttribute('data-dirty', dirty);
    all('.save-note, [data-discard]', form).forEach(one => { one.hidden = !dirty; });
  }
  for (const kind of ['input', 'change']) {
    document.addEventListener(kind, event => {
      const form = event.target.closest('form[data-guard]');
      if (form) queueMicrotask(() => mark(form));
    });
  }
  document.addEventListener('answered', event => {
    if (event.target.matches('form')) setTimeout(() => all('form[data-guard]').forEach(mark), 0);
  });
  document.addEventListener('shown', () => { all('form[data-guard]').forEach(mark); begin(document); });
  window.addEventListener('beforeunload', event => {
    if (find('form[data-dirty]') && !leaving) event.preventDefault();
  });
  let leaving = false;
  document.addEventListener('click', event => {
    const discard = event.target.closest('[data-discard]');
    if (discard) anew(discard.form || discard.closest('form'));
  });
  // The form as the service has it. What stands unsaved in others stays.
  async function anew(form) {
    const others = all('form[data-dirty]').some(one => one !== form);
    if (!others || !(await window.telegraphone.renew(form))) again(form);
  }

  // ---- Searching a list ------------------------------------------------------------------------

  // A number without what sets its digits apart.
  const bare = text => text.replace(/[\s().\/\u2011-]/g, '');

  function narrow(form) {
    const list = find(form.dataset.narrow);
    if (!list) return;
    const wanted = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ''));
    const written = (wanted.text || '').trim().toLowerCase();
    // A number is found however it is written.
    const text = /^\+?[\d ()./-]{6,}$/.test(written) ? bare(written) : written;
    delete wanted.text;
    let [shown, total] = [0, 0];
    for (const row of all(':scope > [data-find]', list)) {
      const fits = (!text || row.dataset.find.toLowerCase().includes(text))
        && Object.entries(wanted).every(([name, value]) => (row.dataset[name] || '').split(' ').includes(value));
      row.hidden = !fits;
      total += 1;
      shown += fits;
    }
    const count = find('[data-found]', form);
    if (count) count.textContent = text || Object.keys(wanted).length ? said(words.shown, { '@': shown, '#': total }) : '';
    const none = find(`[data-none-of="${form.dataset.narrow}"]`);
    if (none) none.hidden = shown > 0 || !!find(':scope > [data-more]', list);
  }
  // Whoever opens one of them and comes back finds the same few.
  let noting;
  function noteNarrowed() {
    clearTimeout(noting);
    const narrowed = all('form[data-narrow]').map(form => [form.dataset.narrow, [...new FormData(form)].filter(([, value]) => value !== '')]);
    history.replaceState({ ...history.state, narrowed }, '');
  }
  document.addEventListener('click', event => { if (event.target.closest('a[href]') && find('form[data-narrow]')) noteNarrowed(); }, true);
  document.addEventListener('input', event => {
    const form = event.target.closest('form[data-narrow]');
    if (!form) return;
    narrow(form);
    clearTimeout(noting);
    noting = setTimeout(noteNarrowed, 400);
  });
  document.addEventListener('submit', event => { if (event.target.matches('form[data-narrow]')) event.preventDefault(); });
  function beginLists() {
    for (const form of all('form[data-narrow]')) {
      const list = find(form.dataset.narrow);
      if (!list || list.narrowed) continue;
      list.narrowed = true;
      const inbox = new URLSearchParams(location.search).get('inbox');
      const [, was] = history.state?.narrowed?.find(([list]) => list === form.dataset.narrow) || [null, inbox ? [['inbox', inbox]] : []];
      for (const [name, value] of was) {
        const field = form.elements[name];
        if (field && (!field.options || [...field.options].some(option => option.value === value))) field.value = value;
      }
      if (was.length || history.state?.narrowed) form.elements.inbox?.dispatchEvent(new Event('change', { bubbles: true }));
      // What is loaded further down is searched too.
      new MutationObserver(() => narrow(form)).observe(list, { childList: true });
      narrow(form);
    }
  }

  // ---- Picking people --------------------------------------------------------------------------

  function counted(picker) {
    const place = find('[data-picked]', picker);
    const boxes = all('input[type=checkbox]', picker);
    if (place) place.textContent = said(place.dataset.text, { '@': boxes.filter(box => box.checked).length, '#': boxes.length });
    if (picker.dataset.ordered === undefined) return;
    const chosen = all('li', picker).filter(row => find('input', row).checked);
    chosen.forEach((row, at) => {
      const [up, down] = [find('[data-up]', row), find('[data-down]', row)];
      if (up) up.setAttribute('aria-disabled', String(at === 0));
      if (down) down.setAttribute('aria-disabled', String(at === chosen.length - 1));
    });
  }
  function search(picker) {
    const text = (find('[data-picker-find]', picker)?.value || '').trim().toLowerCase();
    let any = false;
    for (const row of all('li', picker)) {
      row.hidden = text !== '' && !(row.dataset.find || '').toLowerCase().includes(text);
      any ||= !row.hidden;
    }
    const none = find('.picker-none', picker);
    if (none) none.hidden = any;
  }
  document.addEventListener('input', event => {
    if (event.target.matches('[data-picker-find]')) search(event.target.closest('[data-picker]'));
  });
  document.addEventListener('change', event => {
    const picker = event.target.closest('[data-picker]');
    if (!picker || event.target.type !== 'checkbox') return;
    if (picker.dataset.ordered !== undefined) {
      // Whoever comes in rings last: behind those who are in.
      const row = event.target.closest('li');
      const chosen = all('li', picker).filter(one => one !== row && find('input', one).checked);
      if (chosen.length) chosen.at(-1).after(row);
      event.target.focus();
    }
    counted(picker);
  });
  document.addEventListener('click', event => {
    const button = event.target.closest('[data-up], [data-down]');
    if (!button || button.getAttribute('aria-disabled') === 'true') return;
    const row = button.closest('li');
    const chosen = all(':scope > li', row.parentElement).filter(one => find('input', one).checked);
    const at = chosen.indexOf(row);
    if (button.matches('[data-up]')) chosen[at - 1]?.before(row); else chosen[at + 1]?.after(row);
    counted(row.closest('[data-picker]'));
    button.focus();
    row.closest('form')?.dispatchEvent(new Event('change', { bubbles: true }));
    const form = row.closest('form[data-guard]');
    if (form) mark(form);
  });
  // In a search Enter picks the only one that is left, and sends nothing.
  document.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || !event.target.matches('[data-picker-find]')) return;
    event.preventDefault();
    const left = all('li', event.target.closest('[data-picker]')).filter(row => !row.hidden);
    if (left.length === 1) find('input', left[0]).click();
  });
  function beginPicker(picker) {
    if (picker.begun) return;
    picker.begun = true;
    counted(picker);
    if (!picker.dataset.next) return;
    const kind = picker.dataset.list || 'users';
    rest(kind, picker.dataset.next, things => {
      const list = find('.picker-list', picker);
      const known = new Set(all('input', list).map(box => box.value));
      const first = find('li', list);
      for (const thing of things) {
        const user = kind === 'users' ? thing : { extension: thing.number, name: '' };
        if (user.deactivated || known.has(user.extension) || !first) continue;
        const row = first.cloneNode(true);
        row.hidden = false;
        row.dataset.find = `${user.name} ${user.extension}`;
        all('.tag', row).forEach(one => one.remove());
        const box = find('input', row);
        box.checked = false;
        box.value = user.extension;
        const label = find('.choice > span', row);
        label.replaceChildren(`${user.name || user.extension} `, make('span', 'muted', kind === 'users' ? user.extension : ''));
        find('[data-up]', row)?.setAttribute('aria-label', `${words.up}: ${user.name}`);
        find('[data-down]', row)?.setAttribute('aria-label', `${words.down}: ${user.name}`);
        list.append(row);
      }
      search(picker);
      counted(picker);
    });
  }

  // ---- Long lists of choices -------------------------------------------------------------------

  function beginOptions(group) {
    if (group.begun || !group.dataset.next) return;
    group.begun = true;
    const { rest: list, prefix, next } = group.dataset;
    const key = { users: 'extension', numbers: 'number', groups: 'name' }[list];
    rest(list, next, things => {
      const known = new Set(all('option', group).map(option => option.value));
      for (const thing of things) {
        const value = `${prefix || ''}${thing[key]}`;
        if (known.has(value) || thing.deactivated) continue;
        const option = make('option', '', list === 'users' ? `${thing.name || thing.extension} (${thing.extension})` : thing.label || thing[key]);
        option.value = value;
        group.append(option);
      }
    });
  }

  // Who has a setting of their own, beyond the first users or numbers.
  function beginOverrides(place) {
    if (place.begun || !place.dataset.next) return;
    place.begun = true;
    const { overrides: key, list, next, all: everybody, others } = place.dataset;
    rest(list, next, things => {
      for (const thing of things) {
        const value = thing[key];
        if (value === null || value === 'inherit' || thing.deactivated) continue;
        if (list === 'users' && everybody === undefined && (others === undefined ? thing.role !== 'agent' : ['agent', 'admin'].includes(thing.role))) continue;
        const chip = make('a', 'chip', `${list === 'users' ? thing.name || thing.extension : thing.number} `);
        chip.href = list === 'users' ? `/users/${thing.extension}#advanced` : `/numbers/${encodeURIComponent(thing.number)}`;
        const text = key === 'call_visibility' ? words.levels[value] : key === 'play' ? words.plays[value] : value === true || value === 'on' ? words.on : words.off;
        chip.append(make('span', 'muted', text));
        place.append(chip);
        const none = find('[data-none]', place);
        if (none) none.hidden = true;
      }
    });
  }

  // ---- What is shown once ----------------------------------------------------------------------

  function showOnce(title, facts, { link = null, qr = '', help = '' } = {}) {
    const dialog = find('#once');
    find('[data-once-title]', dialog).textContent = title;
    const place = find('[data-once-facts]', dialog);
    place.replaceChildren();
    for (const [name, value, copied] of facts) {
      if (!value) continue;
      const shown = make('dd');
      if (copied) {
        const code = make('code', '', value);
        const button = make('button', 'button small', words.copy);
        button.type = 'button';
        button.dataset.copy = value;
        shown.append(code, button);
      } else shown.textContent = value;
      place.append(make('dt', '', name), shown);
    }
    const picture = find('[data-once-qr]', dialog);
    picture.replaceChildren();
    picture.hidden = !qr;
    if (qr) {
      const image = make('img');
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(qr)}`;
      image.alt = words.qr;
      picture.append(image);
    }
    const helping = find('[data-once-help]', dialog);
    helping.hidden = !help;
    helping.textContent = help;
    const onward = find('[data-once-link]', dialog);
    onward.hidden = !link;
    if (link) { onward.href = link.href; onward.textContent = link.label; }
    dialog.showModal();
  }
  document.addEventListener('click', event => {
    const button = event.target.closest('#once [data-copy]');
    if (!button) return;
    button.textContent = words.copied;
    setTimeout(() => { button.textContent = words.copy; }, 2000);
  });
  const moment = text => new Date(text).toLocaleString(document.documentElement.lang, { dateStyle: 'long', timeStyle: 'short', hourCycle: 'h23', timeZone: document.body.dataset.zone || 'UTC' });

  document.addEventListener('answered', event => {
    const { once } = event.target.dataset;
    const answer = event.detail || {};
    if (once === 'user' && answer.password) {
      showOnce(said(words.password_of, { '@': event.target.dataset.name || answer.name || answer.extension }), [[words.extension, answer.extension], [words.password, answer.password, true]],
        location.pathname === '/users' ? { link: { href: `/users/${encodeURIComponent(answer.extension)}`, label: words.to_user } } : {});
    }
    if (once === 'staff' && answer.password) {
      showOnce(said(words.password_of, { '@': answer.name }), [[words.user, answer.name], [words.password, answer.password, true]]);
    }
    if (once === 'company') {
      showOnce(said(words.company_made, { '@': answer.company.name }), [[words.company, answer.company.key], [words.extension, answer.admin], [words.password, answer.password, true]]);
      find('#once').addEventListener('close', () => location.reload(), { once: true });
    }
    if (once === 'phone') {
      showOnce(said(words.phone_of, { '@': event.target.dataset.name }), [[words.link, answer.url, true], [words.valid, answer.expires && moment(answer.expires)], [words.password, answer.password, true]],
        { qr: answer.qr, help: `${words.qr_help}${answer.password_changed ? ` ${words.old_is_over}` : ''}` });
    }
    // A box of another context than the default one is called by both.
    if (event.target.dataset.boxName !== undefined && answer.context && answer.context !== 'default') answer.number = `${answer.number}@${answer.context}`;
    const { reload, said: text } = event.target.dataset;
    if (reload === undefined) return;
    if (all('form[data-dirty]').some(one => one !== event.target)) { setTimeout(() => anew(event.target)); return; }
    sessionStorage.setItem('told', text || words.saved);
    again(event.target);
  });
  function again(form) {
    sessionStorage.setItem('stood', form.getAttribute('aria-labelledby') || '');
    leaving = true;
    location.reload();
  }
  // Whoever saved something stands at it again.
  const stood = sessionStorage.getItem('stood');
  sessionStorage.removeItem('stood');
  if (stood) find(`form[aria-labelledby="${CSS.escape(stood)}"] button:not([type=button])`)?.focus({ preventScroll: true });
  // What a form is emptied to decides which of its fields are there.
  document.addEventListener('reset', event => setTimeout(() => {
    all('[data-shows]', event.target).forEach(one => one.dispatchEvent(new Event('change', { bubbles: true })));
    all('[data-picker]', event.target).forEach(picker => { search(picker); counted(picker); });
  }, 0));

  // A number as people write it: what sets its digits apart goes.
  document.addEventListener('change', event => {
    const field = event.target;
    if (field.matches('input[name=number][inputmode=tel]')) field.value = bare(field.value);
  });

  // The short name of a new thing is made of its name, until somebody writes another.
  const SHORT = { label: 'name', name: 'key' };
  document.addEventListener('input', event => {
    const { form, name, value } = event.target;
    if (!form?.matches('dialog form[data-api^="POST"]')) return;
    if (Object.values(SHORT).includes(name)) event.target.dataset.written = '';
    const short = form.elements[SHORT[name]];
    if (!short || short.dataset.written !== undefined) return;
    const plain = value.toLowerCase().replace(/ß/g, 'ss').normalize('NFD').replace(/\p{M}/gu, '');
    short.value = plain.replace(/[^a-z0-9]+/g, '-').replace(/^-+/, '').slice(0, 32).replace(/-+$/, '');
  });
  document.addEventListener('reset', event => all('[data-written]', event.target).forEach(one => delete one.dataset.written));

  // ---- A switch that turns a thing of its own on and off -----------------------------------------

  document.addEventListener('change', event => {
    const turn = event.target.closest('[data-turns]');
    if (!turn) return;
    const { on, off, sure } = turn.dataset;
    turn.form.dataset.api = turn.checked ? on : off;
    if (!turn.checked && sure) turn.form.dataset.sure = sure; else delete turn.form.dataset.sure;
    const form = turn.form;
    const dirty = turn.checked !== turn.defaultChecked;
    queueMicrotask(() => { if (dirty) { form.toggleAttribute('data-dirty', true); all('.save-note, [data-discard]', form).forEach(one => { one.hidden = false; }); } });
  });

  // ---- Removing a box: how much goes with it -----------------------------------------------------

  document.addEventListener('click', async event => {
    const button = event.target.closest('[data-dry-run]');
    if (!button) return;
    const answer = await ask('DELETE', `${button.dataset.dryRun}?dry_run=true`);
    if (!answer.ok) { toast(answer.body.detail, true); return; }
    const { messages } = answer.body;
    const text = messages > 1 ? said(words.box_removes, { '@': messages }) : messages ? words.box_removes_one : words.box_empty;
    find('[data-dry-run-said]').textContent = text;
    find(button.dataset.then).showModal();
  });

  // ---- Giving and taking companies ---------------------------------------------------------------

  document.addEventListener('change', async event => {
    const box = event.target;
    if (!box.matches('[data-gives]')) return;
    const answer = await ask(box.checked ? 'PUT' : 'DELETE', box.dataset.gives);
    if (!answer.ok) { box.checked = !box.checked; toast(answer.body.detail, true); return; }
    toast(words.saved);
    box.closest('dialog').addEventListener('close', () => window.telegraphone.refresh(), { once: true });
  });

  // ---- Pairs, and targets of trunks: rows that are one value -------------------------------------

  function field(label, value, kind = 'input') {
    const outer = make('label', 'field');
    const inner = make(kind);
    inner.value = value ?? '';
    inner.dataset.skip = '';
    inner.autocomplete = 'off';
    inner.spellcheck = false;
    if (kind === 'textarea') inner.rows = String(value ?? '').includes('\n') ? 4 : 1;
    outer.append(make('span', '', label), inner);
    return [outer, inner];
  }
  function remover(row, gather) {
    const button = make('button', 'button small', words.remove);
    button.type = 'button';
    button.addEventListener('click', () => { row.remove(); gather(); });
    return button;
  }
  function beginPairs(place) {
    if (place.begun) return;
    place.begun = true;
    const value = find('textarea', place);
    value.hidden = true;
    const asObject = place.dataset.pairs === 'object';
    const rows = make('div', 'pairs');
    const gather = () => {
      const pairs = all('.pair-row', rows).map(row => all('input, textarea', row).map(one => one.value)).filter(([name]) => name.trim());
      value.value = JSON.stringify(asObject ? Object.fromEntries(pairs) : pairs);
      value.dispatchEvent(new Event('input', { bubbles: true }));
    };
    const add = (name, text) => {
      const row = make('div', 'pair-row');
      const [outer, inner] = field(words.new_name, name);
      const [outerText] = field(words.new_value, text, 'textarea');
      row.append(outer, outerText, remover(row, gather));
      row.addEventListener('input', event => { event.stopPropagation(); gather(); });
      rows.append(row);
      return inner;
    };
    const there = JSON.parse(value.value || 'null') || [];
    for (const [name, text] of asObject ? Object.entries(there) : there) add(name, text);
    const more = make('button', 'button small', place.dataset.add || '+');
    more.type = 'button';
    more.addEventListener('click', () => add('', '').focus());
    place.append(rows, more);
  }
  function beginTargets(place) {
    if (place.begun) return;
    place.begun = true;
    const value = find('textarea', place);
    value.hidden = true;
    const names = JSON.parse(place.dataset.words);
    const rows = make('div', 'pairs');
    const gather = () => {
      const targets = all('.pair-row', rows).map(row => {
        const [host, port, transport, order, weight] = all('input, select', row).map(one => one.value.trim());
        return { host, port: Number(port || 5060), transport, order: Number(order || 0), weight: Number(weight || 1) };
      });
      value.value = JSON.stringify(targets);
      value.dispatchEvent(new Event('input', { bubbles: true }));
    };
    const add = target => {
      const row = make('div', 'pair-row target');
      const [host, inner] = field(names.host, target.host);
      const [port, portField] = field(names.port, target.port);
      const [transport, choice] = field(names.transport, '', 'select');
      for (const one of ['udp', 'tcp', 'tls']) {
        const option = make('option', '', one.toUpperCase());
        option.value = one;
        choice.append(option);
      }
      choice.value = target.transport;
      const [order, orderField] = field(names.order, target.order);
      const [weight, weightField] = field(names.weight, target.weight);
      for (const [one, least] of [[portField, 1], [orderField, 0], [weightField, 1]]) { one.type = 'number'; one.min = least; one.max = 65535; }
      inner.required = true;
      row.append(host, port, transport, order, weight, remover(row, gather));
      row.addEventListener('input', event => { event.stopPropagation(); gather(); });
      rows.append(row);
      return inner;
    };
    for (const target of JSON.parse(value.value || '[]')) add(target);
    const more = make('button', 'button small', place.dataset.add);
    more.type = 'button';
    more.addEventListener('click', () => add({ host: '', port: 5060, transport: 'udp', order: 0, weight: 1 }).focus());
    place.append(rows, more);
  }

  // ---- Beginning ---------------------------------------------------------------------------------

  const near = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      if (target.matches('[data-picker]')) beginPicker(target);
      else all('optgroup[data-rest]', target).forEach(beginOptions);
    }
  }, { rootMargin: '400px' });

  function begin(root) {
    beginLists();
    all('[data-picker]', root).forEach(picker => near.observe(picker));
    all('select:has(optgroup[data-next])', root).forEach(select => near.observe(select));
    all('[data-overrides]', root).forEach(beginOverrides);
    all('[data-pairs]', root).forEach(beginPairs);
    all('[data-targets]', root).forEach(beginTargets);
    for (const list of all('datalist[data-zones]', root)) {
      if (list.children.length) continue;
      for (const zone of Intl.supportedValuesOf?.('timeZone') || []) {
        const option = make('option');
        option.value = zone;
        list.append(option);
      }
    }
  }
  begin(document);
  find('dialog[data-show-now]')?.showModal();
})();
