// What admins do with an outside number: an archive of everything, and erasing it after a look at what would go.
'use strict';
(() => {
  const { ask, toast, tell, find, refresh, words: common } = window.telegraphone;
  const dialog = find('#erase');
  if (!dialog) return;
  const words = JSON.parse(find('#erase-words').textContent);
  const place = `/contacts/${encodeURIComponent(dialog.dataset.contact)}/erase`;
  const [report, form, done] = [find('#erase-report'), find('[data-erase]', dialog), find('#erase-done')];

  function show(said) {
    const rows = ['calls', 'recordings', 'messages', 'texts', 'events', 'exports', 'leftovers', 'put_off'].filter(key => said[key]);
    const title = document.createElement('p');
    title.textContent = rows.length ? (said.dry_run ? words.would : words.gone) : words.nothing;
    const list = document.createElement('ul');
    list.className = 'erase-list';
    for (const key of rows) {
      const item = document.createElement('li');
      const count = document.createElement('strong');
      count.textContent = said[key].toLocaleString(document.documentElement.lang);
      item.append(`${words[key]}: `, count);
      list.append(item);
    }
    report.replaceChildren(title, list);
    if (!said.kept) return;
    const kept = document.createElement('p');
    kept.className = 'notice warn';
    const because = said.kept_calls.slice(0, 10).map(call => call.because || call.why || '').filter(Boolean);
    kept.textContent = `${words.kept}: ${said.kept}. ${[...new Set(because)].join('; ')}`;
    report.append(kept);
  }

  document.addEventListener('click', async event => {
    if (!event.target.closest('[data-erase-open]')) return;
    form.hidden = true;
    const { ok, status, body } = await ask('POST', place, {});
    if (!ok) { if (status !== 401) { dialog.close(); toast(body.detail || common.failed, true); } return; }
    show(body);
    form.hidden = false;
    find('input', form).focus();
  });
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const answer = await ask('POST', place, { dry_run: false, confirm: form.elements.confirm.value.trim() });
    if (!answer.ok) { if (answer.status !== 401) tell(form, answer); return; }
    show(answer.body);
    form.hidden = true;
    done.hidden = false;
    find('a', done).focus();
    dialog.addEventListener('close', () => location.assign('/contacts'));
  });

  // An archive that is being made is looked at until it is there.
  setInterval(() => {
    if (document.visibilityState === 'visible' && find('#archives [data-state="waiting"], #archives [data-state="making"]')) refresh();
  }, 2000);
})();
