// Conversations by text message: live, older ones by scrolling up, how many SMS it takes, what was seen is read.
'use strict';
(() => {
  const { ask, find, all, headersOf } = window.telegraphone;
  const words = JSON.parse(find('#text-words')?.textContent || '{}');

  // ---- How many SMS ---------------------------------------------------------------------------

  // The basic alphabet of GSM 03.38; those of its extension take two places.
  const BASIC = new Set('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà');
  const EXTENDED = new Set('^{}\\[~]|€\f');
  function partsOf(text) {
    let places = 0;
    for (const letter of text) {
      if (BASIC.has(letter)) places += 1;
      else if (EXTENDED.has(letter)) places += 2;
      else return text.length <= 70 ? 1 : Math.ceil(text.length / 67);
    }
    return places <= 160 ? 1 : Math.ceil(places / 153);
  }
  function count(form) {
    const [field, shown] = [form.elements.text, find('[data-counter]', form)];
    if (!field || !shown) return;
    const said = [...field.value].length;
    const to = form.elements.to?.value.trim() || '';
    const inside = form.dataset.inside !== undefined || form.dataset.mode === 'note' || /^\d{1,6}$/.test(to);
    const parts = partsOf(field.value);
    const text = !said ? '' : inside ? words.plain : words.sms;
    shown.textContent = text.replace('%', said.toLocaleString(document.documentElement.lang)).replace('#', parts);
  }
  document.addEventListener('input', event => {
    const form = event.target.closest('form[data-counted]');
    if (form) count(form);
  });
  document.addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && event.target.matches('form[data-counted] textarea')) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });

  const thread = find('#thread');
  if (!thread) return;
  const list = find('#bubbles');
  const id = thread.dataset.conversation;
  const below = find('.thread-below');

  // ---- A text, or a note ----------------------------------------------------------------------

  const composer = find('.composer');
  composer?.addEventListener('change', event => {
    if (event.target.name !== 'what') return;
    const note = event.target.value === 'note';
    composer.dataset.api = note ? composer.dataset.note : composer.dataset.answer;
    composer.dataset.mode = event.target.value;
    const field = composer.elements.text;
    field.dataset.placeholderAnswer ??= field.placeholder;
    field.placeholder = note ? field.dataset.placeholderNote : field.dataset.placeholderAnswer;
    const said = find('[data-send]', composer);
    said.dataset.sendAnswer ??= said.textContent;
    said.textContent = note ? said.dataset.sendNote : said.dataset.sendAnswer;
    count(composer);
    field.focus();
  });
  composer?.addEventListener('reset', () => {
    // What was chosen stays: who writes one note may write another.
    const chosen = composer.dataset.mode || 'answer';
    setTimeout(() => {
      const choice = find(`[name=what][value=${chosen}]`, composer);
      if (choice) choice.checked = true;
      count(composer);
      composer.elements.text.focus();
    });
  });
  composer?.addEventListener('answered', () => { toBottom = true; soon(); });

  // ---- Links that stand in a text -------------------------------------------------------------

  const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;
  function link(row) {
    const place = find('.bubble-text', row);
    const text = place?.textContent || '';
    if (!text.includes('http')) return;
    const parts = [];
    let from = 0;
    for (const found of text.matchAll(LINK)) {
      parts.push(text.slice(from, found.index));
      const one = document.createElement('a');
      one.href = one.textContent = found[0];
      one.rel = 'noopener noreferrer';
      one.target = '_blank';
      parts.push(one);
      from = found.index + found[0].length;
    }
    place.replaceChildren(...parts, text.slice(from));
  }

  // ---- Where one is in it ---------------------------------------------------------------------

  const isAtBottom = () => thread.scrollHeight - thread.scrollTop - thread.clientHeight < 60;
  let toBottom = false;
  let reading = false;
  // Read is what was on the screen of somebody who looks at it.
  async function markRead() {
    const unread = Number(thread.dataset.unread);
    if (reading || !unread || !thread.dataset.newest || document.visibilityState !== 'visible' || !isAtBottom()) return;
    reading = true;
    const { ok } = await ask('POST', `/conversations/${id}/read`, { message: thread.dataset.newest });
    reading = false;
    if (ok) { thread.dataset.unread = '0'; window.telegraphone.refresh(); }
  }
  thread.addEventListener('scroll', () => { if (isAtBottom()) { below.hidden = true; markRead(); } }, { passive: true });
  document.addEventListener('visibilitychange', markRead);
  below.addEventListener('click', () => { thread.scrollTop = thread.scrollHeight; thread.focus(); });

  // ---- New ones, and what became of those that are there --------------------------------------

  // As they came from the service: a row with links in it differs from that.
  const came = new Map();
  function take(row) { came.set(row.dataset.id, row.outerHTML); link(row); }

  async function part(query) {
    const place = new URL(location.pathname, location.href);
    if (query) place.searchParams.set('before', query);
    let response;
    try { response = await fetch(place, { headers: headersOf({ 'HX-Request': 'true' }), credentials: 'same-origin' }); } catch { return null; }
    // It is not for this reader any more: the whole page says so.
    if ([401, 403, 404, 410].includes(response.status)) { location.reload(); return null; }
    return response.ok ? new DOMParser().parseFromString(await response.text(), 'text/html') : null;
  }

  let busy = false;
  let again = false;
  async function anew() {
    if (busy) { again = true; return; }
    busy = true;
    const fresh = await part('');
    const other = fresh && find('#bubbles', fresh);
    if (other) {
      const follow = toBottom || isAtBottom();
      const mine = new Map(all('[data-id]', list).map(row => [row.dataset.id, row]));
      const days = new Set(all('[data-day]', list).map(row => row.dataset.day));
      let isMore = false;
      for (const row of [...other.children]) {
        if (row.dataset.day && !days.has(row.dataset.day)) list.append(row);
        if (!row.dataset.id) continue;
        const present = mine.get(row.dataset.id);
        if (!present) { list.append(row); take(row); isMore = true; }
        else if (came.get(row.dataset.id) !== row.outerHTML) { present.replaceWith(row); take(row); }
      }
      const now = find('#thread', fresh).dataset;
      thread.dataset.unread = now.unread;
      thread.dataset.newest = now.newest;
      if (isMore) {
        const last = list.lastElementChild;
        find('#thread-said').textContent = `${find('.bubble-by', last)?.textContent || ''} ${find('.bubble-text', last)?.textContent || ''}`;
      }
      if (isMore && follow) thread.scrollTop = thread.scrollHeight;
      else if (isMore) below.hidden = false;
      toBottom = false;
      markRead();
    }
    busy = false;
    if (again) { again = false; anew(); }
  }
  let timer;
  function soon() { clearTimeout(timer); timer = setTimeout(anew, 80); }
  document.addEventListener('happened', event => { if (['message', 'rights'].includes(event.detail.family)) soon(); });
  document.addEventListener('refreshed', () => { if (!reading) soon(); });

  // ---- Older ones, by scrolling up ------------------------------------------------------------

  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) older(entry.target);
  }, { root: thread, rootMargin: '600px 0px 0px 0px' });
  async function older(item) {
    watcher.unobserve(item);
    const fresh = await part(item.dataset.older);
    const other = fresh && find('#bubbles', fresh);
    if (!other) return;
    const [height, top] = [thread.scrollHeight, thread.scrollTop];
    const first = item.nextElementSibling;
    const rows = [...other.children].filter(row => !row.dataset.id || !came.has(row.dataset.id));
    const days = rows.filter(row => row.dataset.day).map(row => row.dataset.day);
    // The day goes on: it is said where it begins.
    if (first?.dataset.day && days.includes(first.dataset.day)) first.remove();
    item.replaceWith(...rows);
    rows.filter(row => row.dataset.id).forEach(take);
    thread.scrollTop = top + thread.scrollHeight - height;
    watch();
  }
  function watch() { all('.older', list).forEach(item => watcher.observe(item)); }
  list.addEventListener('click', event => {
    const item = event.target.closest('.older a') && event.target.closest('.older');
    if (item) { event.preventDefault(); older(item); }
  });

  // ---- Beginning ------------------------------------------------------------------------------

  all('[data-id]', list).forEach(take);
  const unseen = find('#first-unread', list);
  thread.scrollTop = thread.scrollHeight;
  // Where more is new than fits, reading begins at the first of it.
  if (unseen && unseen.offsetTop < thread.scrollHeight - thread.clientHeight) thread.scrollTop = unseen.offsetTop - 40;
  watch();
  markRead();
  find('.talk-list .is-open')?.scrollIntoView({ block: 'nearest' });
})();
