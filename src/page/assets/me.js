// One's own settings: browser push, a token's secret that is shown once, a password that is written twice.
'use strict';
(() => {
  const { ask, toast, find, all, refresh, words: common } = window.telegraphone;
  const words = JSON.parse(find('#me-words')?.textContent || 'null');
  if (!words) return;

  // ---- Browser push ---------------------------------------------------------------------------

  const [state, on, off] = ['#push-state', '#push-on', '#push-off'].map(one => find(one));

  function show(text, { warn = false, good = false } = {}) {
    state.textContent = text;
    state.hidden = !text;
    state.className = `notice${warn ? ' warn' : good ? ' good' : ''}`;
  }

  function bytesOf(base64url) {
    const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(text, letter => letter.charCodeAt(0));
  }

  // What the worker says stands in its address, in the language of this page.
  const worker = () => navigator.serviceWorker.register(`/sw.js?words=${encodeURIComponent(JSON.stringify(words.push))}`, { scope: '/' });

  function nameOfBrowser() {
    const agent = navigator.userAgent;
    const found = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']].find(([part]) => agent.includes(part));
    const system = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'Mac'], ['Linux', 'Linux']].find(([part]) => agent.includes(part));
    return words.browser.replace('%', found?.[1] || 'Browser').replace('#', system?.[1] || '?');
  }

  // Whether this browser is one of those that are told; that row of the list.
  async function here() {
    const registration = await navigator.serviceWorker.getRegistration('/');
    const subscription = await registration?.pushManager.getSubscription();
    const row = subscription && all('[data-endpoint]').find(one => one.dataset.endpoint === subscription.endpoint);
    return { registration, subscription, row };
  }

  async function look() {
    if (!window.isSecureContext) { show(words.insecure, { warn: true }); return; }
    if (!('serviceWorker' in navigator) || !('PushManager' in window) || !words.key) { show(words.unable, { warn: true }); return; }
    const { row } = await here();
    on.hidden = Boolean(row);
    off.hidden = !row;
    if (row) { worker(); show(words.on, { good: true }); }
    else if (Notification.permission === 'denied') show(words.refused, { warn: true });
    else show('');
  }

  on?.addEventListener('click', async () => {
    if (await Notification.requestPermission() !== 'granted') { show(words.refused, { warn: true }); return; }
    on.setAttribute('aria-disabled', 'true');
    try {
      await worker();
      const registration = await navigator.serviceWorker.ready;
      // One that was made with another key is of no use.
      await (await registration.pushManager.getSubscription())?.unsubscribe();
      const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(words.key) });
      const { endpoint, keys, expirationTime } = subscription.toJSON();
      const answer = await ask('POST', '/me/push', { endpoint, keys, expirationTime: expirationTime ?? null, name: nameOfBrowser() });
      if (!answer.ok) { await subscription.unsubscribe(); toast(answer.body.detail || common.failed, true); }
    } catch (error) {
      show(error.name === 'NotAllowedError' ? words.refused : words.service, { warn: true });
      on.removeAttribute('aria-disabled');
      return;
    }
    on.removeAttribute('aria-disabled');
    refresh();
  });
  off?.addEventListener('click', async () => {
    const { subscription, row } = await here();
    if (row) await ask('DELETE', `/me/push/${row.dataset.push}`);
    await subscription?.unsubscribe();
    toast(words.off);
    refresh();
  });
  // Who is of no company has nothing to be told of.
  if (state) document.addEventListener('shown', event => { if (event.detail?.id === 'pushes' || find('#pushes', event.detail?.parentNode || document)) look(); });
  if (state) look();

  // ---- A token's secret -----------------------------------------------------------------------

  document.addEventListener('answered', event => {
    if (!event.target.matches('#token-form')) return;
    find('#secret-text').textContent = event.detail.secret;
    // Behind the dialog that closes now.
    setTimeout(() => find('#token-secret').showModal());
  });
  find('#token-secret').addEventListener('close', () => { find('#secret-text').textContent = ''; });

  // One that may be used for nothing is of no use.
  const scopes = all('#token-form [name=scopes]');
  const some = () => scopes[0]?.setCustomValidity(scopes.some(one => one.checked) ? '' : words.scope);
  find('#token-form')?.addEventListener('change', some);
  find('#token-form')?.addEventListener('reset', () => setTimeout(some));
  some();

  // ---- A password, twice ----------------------------------------------------------------------

  const again = find('#password-again');
  const first = again && find('[name=password]', again.form);
  const same = () => again.setCustomValidity(again.value && again.value !== first.value ? words.differ : '');
  again?.addEventListener('input', same);
  first?.addEventListener('input', same);
})();
