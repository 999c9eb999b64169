// Voicemail: a message that was played to its end is heard; forwarding.
'use strict';
(() => {
  const { ask, toast, refresh, renewed, find, all, words: common } = window.telegraphone;
  const read = id => JSON.parse(find(`#${id}`)?.textContent || '{}');
  const words = { ...read('voicemail-words'), ...read('menu-words') };

  // Says what a problem says; whether there was none.
  function went(answer, form) {
    if (answer.ok) return true;
    if (answer.status === 401) return false;
    if (form) window.telegraphone.tell(form, answer);
    else toast((answer.body.errors || [answer.body.detail || common.failed]).join('\n'), true);
    return false;
  }

  // ---- Heard: played to its end ---------------------------------------------------------------

  async function move(id, folder, back, said) {
    if (!went(await ask('PATCH', `/messages/${id}`, { folder }))) return;
    toast(said, false, back && { label: common.undo, act: async () => { await ask('PATCH', `/messages/${id}`, { folder: back }); refresh(); } });
    refresh();
  }
  document.addEventListener('ended', event => {
    const id = /\/api\/v1\/messages\/([^/]+)\/audio/.exec(event.target.currentSrc || event.target.src || '')?.[1];
    const shown = id && find(`[data-id="${CSS.escape(id)}"][data-new]`);
    if (shown) move(id, 'old', shown.dataset.folder, words.heard);
  }, true);

  document.addEventListener('answered', event => {
    renewed(event.target.closest('#message-rows > [data-id]')?.dataset.id);
  });

  // ---- One message of the list: what else can be done -----------------------------------------

  const menu = find('#message-menu');
  let chosen = null;
  document.addEventListener('click', event => {
    const opener = event.target.closest('[data-message-menu]');
    if (opener && menu) {
      const row = opener.closest('[data-id]');
      chosen = { id: row.dataset.id, folder: row.dataset.folder, urgent: Boolean(find('.tag.warn', row)) };
      find('h2', menu).textContent = words.from.replace('%', () => row.dataset.who);
      find('[data-menu="heard"]', menu).hidden = row.dataset.new === undefined;
      find('[data-menu="new"]', menu).hidden = row.dataset.new !== undefined;
      const select = find('[data-menu-move] select', menu);
      // Where it is already it need not go.
      for (const option of select.options) option.hidden = option.disabled = option.value === chosen.folder;
      select.selectedIndex = [...select.options].findIndex(option => !option.disabled);
      find('[data-forward]', menu).reset();
      all('[data-find]', menu).forEach(one => { one.hidden = false; });
      menu.showModal();
    }
    const what = event.target.closest('[data-menu]')?.dataset.menu;
    if (!what || !chosen) return;
    const { id, folder, urgent } = chosen;
    menu.close();
    if (what === 'heard') move(id, 'old', folder, words.marked);
    if (what === 'new') move(id, urgent ? 'urgent' : 'inbox', folder, words.new);
    if (what === 'remove') throwAway(id);
  });
  async function throwAway(id) {
    if (!went(await ask('DELETE', `/messages/${id}`))) return;
    toast(words.thrown, false, { label: common.undo, act: async () => { await ask('POST', `/messages/${id}/undelete`); refresh(); } });
    refresh();
  }

  document.addEventListener('submit', async event => {
    const form = event.target;
    if (form.matches('[data-menu-move]')) {
      event.preventDefault();
      menu.close();
      move(chosen.id, form.elements.folder.value, chosen.folder, words.moved);
    }
    if (form.matches('[data-forward]')) {
      event.preventDefault();
      const id = form.dataset.ofMessage || chosen.id;
      const others = find('[data-more-boxes]', form).value.split(/[\s,;]+/).filter(Boolean);
      const to = [...new Set([...all('[name=to]:checked', form).map(box => box.value), ...others])];
      if (!to.length) { toast(words.nowhere, true); find('[data-more-boxes]', form).focus(); return; }
      const answer = await ask('POST', `/messages/${id}/forward`, { to });
      if (answer.status === 404 && others.length) { toast(words.no_box, true); find('[data-more-boxes]', form).focus(); return; }
      if (!went(answer)) return;
      form.closest('dialog').close();
      form.reset();
      toast(words.forwarded);
      refresh();
    }
  });

  // From the list of messages: the second click chooses who covers.
  if (location.hash === '#cover') {
    history.replaceState(null, '', location.pathname + location.search);
    if (!find('#cover .people-list')) find('#cover-pick')?.showModal();
  }
})();
