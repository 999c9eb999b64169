// What the rules' pages do beyond forms: secrets that are shown once, how long something lasts, a phone's set-up.
'use strict';
(() => {
  const { ask, toast, sure, find, all, data } = window.telegraphone;
  const words = JSON.parse(find('#rules-words')?.textContent || '{}');
  const at = (thing, path) => path.split('.').reduce((inner, key) => inner?.[key], thing);

  // ---- Shown once -----------------------------------------------------------------------------

  // `data-once="secret"` at a form or a button: what of the answer is shown in the dialog `#once`, and where one goes from it.
  document.addEventListener('answered', event => {
    const source = event.target.closest('[data-once]');
    const dialog = find('#once');
    if (!source || !dialog) return;
    find('#once-secret').textContent = at(event.detail, source.dataset.once) ?? '';
    const { name, extension } = event.detail;
    find('#once-who').textContent = extension ? `${name || ''} (${extension})`.trim() : '';
    find('#once-who').hidden = !extension;
    dialog.dataset.then = (source.dataset.onceThen || '').replace(/\{([\w.]+)\}/g, (_, name) => encodeURIComponent(at(event.detail, name) ?? ''));
    setTimeout(() => dialog.showModal());
  });
  // Whoever asked to lift a hold is told who confirms.
  document.addEventListener('answered', event => {
    if (event.target.matches?.('[data-lift]') && event.detail.confirm) toast(words.lift_asked.replace('WHO', event.detail.confirm));
  });
  find('#once')?.addEventListener('close', () => {
    const dialog = find('#once');
    find('#once-secret').textContent = '';
    if (dialog.dataset.then) location.assign(dialog.dataset.then);
  });

  // ---- What changes by itself -----------------------------------------------------------------

  // How long something still lasts, from seconds that the page was made with.
  const made = Date.now();
  setInterval(() => {
    for (const one of all('[data-left]')) {
      one.dataset.from ??= String(Math.floor((Date.now() - made) / 1000));
      const left = Number(one.dataset.left) - Math.floor((Date.now() - made) / 1000) + Number(one.dataset.from);
      one.textContent = window.telegraphone.lengthOf(Math.max(0, left) * 1000);
      if (left <= 0 && !one.dataset.over) { one.dataset.over = 'yes'; setTimeout(window.telegraphone.refresh, 1500); }
    }
  }, 1000);

  // ---- Kinds of events ------------------------------------------------------------------------

  // What a wider choice includes needs no choice of its own.
  function kinds(form) {
    const everything = find('[data-kind-all]', form);
    if (!everything) return;
    for (const group of all('[data-kind-family]', form)) {
      const family = find('[data-kind-whole]', group);
      family.disabled = everything.checked;
      for (const one of all('[data-kind-one]', group)) one.disabled = everything.checked || family.checked;
    }
    const any = all('.kinds [name=kinds]', form).some(one => one.checked && !one.disabled);
    everything.setCustomValidity(any ? '' : everything.closest('.kinds').dataset.none);
  }
  document.addEventListener('change', event => { if (event.target.matches('[name=kinds]')) kinds(event.target.form); });
  const settle = () => all('form').forEach(kinds);
  settle();
  document.addEventListener('shown', settle);
  // The forms' first state was taken with everything enabled.
  window.telegraphone.remember(document);

  // ---- Archives -------------------------------------------------------------------------------

  // Days become the moments at which they begin, as the list of calls takes them.
  find('#export-form')?.addEventListener('submit', async event => {
    event.preventDefault();
    const form = event.target;
    const content = {};
    for (const [name, value] of new FormData(form)) if (value !== '') content[name] = value;
    for (const name of ['recorded', 'missed']) if (content[name]) content[name] = content[name] === 'true';
    if (content.from) content.from = begins(content.from, 0);
    if (content.until) content.until = begins(content.until, 1);
    const button = event.submitter || find('button:not([type=button])', form);
    if (button?.getAttribute('aria-disabled') === 'true') return;
    button?.setAttribute('aria-disabled', 'true');
    const answer = await ask('POST', '/exports', content);
    button?.removeAttribute('aria-disabled');
    if (!answer.ok) { window.telegraphone.tell(form, answer); return; }
    toast(form.dataset.said);
    form.closest('dialog')?.close();
    window.telegraphone.refresh();
  });
  // When a day, or one so many days later, begins in the company's zone.
  function begins(day, later) {
    const utc = new Date(`${day}T00:00:00Z`);
    utc.setUTCDate(utc.getUTCDate() + later);
    const there = new Intl.DateTimeFormat('en-GB', { timeZone: data.zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
    const ahead = moment => {
      const part = Object.fromEntries(there.formatToParts(moment).map(({ type, value }) => [type, value]));
      return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - moment.getTime();
    };
    const first = new Date(utc.getTime() - ahead(utc));
    return new Date(utc.getTime() - ahead(first)).toISOString();
  }

  // ---- A phone's set-up -----------------------------------------------------------------------

  all('[data-here-host]').forEach(one => { one.textContent = location.hostname; });
  document.addEventListener('click', async event => {
    const button = event.target.closest('[data-provision]');
    if (!button) return;
    if (!(await sure(button.dataset.question))) return;
    const extension = button.dataset.provision;
    const answer = await ask('POST', `/users/${encodeURIComponent(extension)}/provisioning`, {});
    if (!answer.ok) {
      toast(answer.status === 404 || answer.status === 405 ? words.no_links : (answer.body.errors || [answer.body.detail || window.telegraphone.words.failed]).join('\n'), true);
      return;
    }
    const { url, qr, password, expires } = answer.body;
    find('#phone-title').textContent = words.phone_of.replace('NAME', button.dataset.name);
    const picture = find('#phone-qr');
    picture.src = `data:image/svg+xml,${encodeURIComponent(qr)}`;
    const link = find('#phone-url');
    link.href = url;
    link.textContent = url;
    find('#phone-password').textContent = password || '';
    all('[data-phone-password]').forEach(one => { one.hidden = !password; });
    find('#phone-user').textContent = extension;
    find('#phone-expires').textContent = new Intl.DateTimeFormat(data.lang, { timeZone: data.zone, timeStyle: 'short' }).format(new Date(expires));
    find('#phone').showModal();
  });
  find('#phone')?.addEventListener('close', () => {
    find('#phone-qr').removeAttribute('src');
    ['#phone-url', '#phone-password'].forEach(one => { find(one).textContent = ''; });
    window.telegraphone.refresh();
  });
})();
