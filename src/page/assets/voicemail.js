// Voicemail: a message that was played to its end is heard; forwarding; greetings from a microphone or a file.
'use strict';
(() => {
  const { ask, toast, refresh, renewed, find, all, lengthOf, words: common } = window.telegraphone;
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
      if ([...select.options].some(option => option.value === chosen.folder)) select.value = chosen.folder; else select.selectedIndex = 0;
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

  // ---- Sounds for the telephone: mono, 8 kHz, 16 bits -----------------------------------------

  const RATE = 8000;
  const MOST_S = 120;

  // At the telephone's rate: the browser's own resampler leaves out what does not fit.
  async function forTelephone(samples, rate) {
    const length = Math.max(1, Math.ceil(samples.length * RATE / rate));
    const context = new OfflineAudioContext(1, length, RATE);
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    source.start();
    return (await context.startRendering()).getChannelData(0);
  }

  function wavOf(samples) {
    const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
    const text = (at, letters) => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
    text(0, 'RIFF'); view.setUint32(4, 36 + samples.length * 2, true); text(8, 'WAVEfmt ');
    view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
    view.setUint32(24, RATE, true); view.setUint32(28, RATE * 2, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
    text(36, 'data'); view.setUint32(40, samples.length * 2, true);
    samples.forEach((sample, index) => view.setInt16(44 + index * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true));
    return new Blob([view.buffer], { type: 'audio/wav' });
  }

  // As loud as speech on a telephone is, where it was recorded too softly; never louder than full scale.
  function levelled(samples) {
    let most = 0;
    for (const sample of samples) most = Math.max(most, Math.abs(sample));
    const gain = most > 0.001 ? Math.min(4, 0.7 / most) : 1;
    return gain > 1 ? samples.map(sample => sample * gain) : samples;
  }

  async function keep(box, kind, wav) {
    if (!went(await ask('PUT', `/voicemails/${box}/greetings/${kind}`, wav))) return false;
    toast(words.saved);
    refresh();
    return true;
  }

  // ---- From a file ----------------------------------------------------------------------------

  document.addEventListener('change', async event => {
    const field = event.target;
    if (!field.matches('[data-upload]') || !field.files[0]) return;
    const file = field.files[0];
    field.value = '';
    let sound;
    try {
      const context = new OfflineAudioContext(1, 1, 48000);
      sound = await context.decodeAudioData(await file.arrayBuffer());
    } catch { toast(words.no_sound, true); return; }
    if (sound.duration > MOST_S) { toast(words.too_long, true); return; }
    if (sound.duration < 0.1) { toast(words.too_short, true); return; }
    const mono = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
      sound.getChannelData(channel).forEach((sample, at) => { mono[at] += sample / sound.numberOfChannels; });
    }
    const fit = await forTelephone(mono, sound.sampleRate);
    await keep(find('#recorder').dataset.box, field.dataset.upload, wavOf(fit));
  });

  // ---- From a microphone ----------------------------------------------------------------------

  const recorder = find('#recorder');
  if (!recorder) return;
  const at = name => find(`[data-recorder="${name}"]`, recorder);
  const [level, time, state, listen] = ['.recorder-level', '.recorder-time', '.recorder-state', 'audio'].map(one => find(one, recorder));
  let kind = '';
  // idle ─start─► running ─stop─► ready ─keep─► (closed); start again from ready.
  let running = null;
  let ready = null;

  function show(text) {
    state.textContent = text;
    at('start').hidden = Boolean(running);
    at('stop').hidden = !running;
    at('keep').hidden = !ready || Boolean(running);
    listen.hidden = !ready || Boolean(running);
  }

  function forget() {
    if (ready) URL.revokeObjectURL(ready.place);
    ready = null;
    listen.removeAttribute('src');
  }

  let starting = false;
  async function start() {
    if (starting || running) return;
    starting = true;
    forget();
    try { await listenTo(); } finally { starting = false; }
  }
  async function listenTo() {
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) { show(words.no_mic); return; }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: true, autoGainControl: true } });
    } catch (error) {
      show(error.name === 'NotFoundError' ? words.none : words.refused);
      return;
    }
    const close = () => stream.getTracks().forEach(track => track.stop());
    // Closed while the browser asked for the microphone.
    if (!recorder.open) { close(); return; }
    const context = new AudioContext();
    await context.audioWorklet.addModule(recorder.dataset.worklet);
    const tap = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0 });
    const blocks = [];
    let count = 0;
    tap.port.onmessage = ({ data: block }) => {
      if (!running) return;
      blocks.push(block);
      count += block.length;
      let most = 0;
      for (const sample of block) most = Math.max(most, Math.abs(sample));
      // Falls slowly, so that an eye can follow.
      running.shown = Math.max(most, (running.shown || 0) * 0.97);
      level.value = running.shown > 0 ? Math.max(-60, 20 * Math.log10(running.shown)) : -60;
      time.textContent = `${lengthOf(count / context.sampleRate * 1000)} / 2:00`;
      if (count >= context.sampleRate * MOST_S) stop();
    };
    if (!recorder.open) { close(); await context.close(); return; }
    context.createMediaStreamSource(stream).connect(tap);
    running = { stream, context, blocks, count: () => count };
    show(words.recording);
    at('stop').focus();
  }

  async function stop() {
    if (!running) return;
    const { stream, context, blocks, count } = running;
    running = null;
    stream.getTracks().forEach(track => track.stop());
    level.value = -60;
    const rate = context.sampleRate;
    await context.close();
    const samples = new Float32Array(Math.min(count(), rate * MOST_S));
    let place = 0;
    for (const block of blocks) {
      samples.set(block.subarray(0, Math.max(0, samples.length - place)), place);
      place = Math.min(samples.length, place + block.length);
    }
    if (samples.length < rate / 10) { show(words.too_short); return; }
    const wav = wavOf(levelled(await forTelephone(samples, rate)));
    ready = { wav, place: URL.createObjectURL(wav) };
    listen.src = ready.place;
    show(words.ready);
    at('keep').focus();
  }

  document.addEventListener('click', event => {
    const opener = event.target.closest('[data-record]');
    if (!opener) return;
    kind = opener.dataset.record;
    find('#recorder-kind').textContent = opener.dataset.label;
    time.textContent = '0:00 / 2:00';
    forget();
    show(words.idle);
    recorder.showModal();
    at('start').focus();
  });
  at('start').addEventListener('click', start);
  at('stop').addEventListener('click', stop);
  at('keep').addEventListener('click', async () => {
    if (ready && await keep(recorder.dataset.box, kind, ready.wav)) recorder.close();
  });
  recorder.addEventListener('close', async () => {
    listen.pause();
    if (running) {
      const { stream, context } = running;
      running = null;
      stream.getTracks().forEach(track => track.stop());
      await context.close();
    }
    forget();
  });
  // From the list of messages: the second click chooses who covers.
  if (location.hash === '#cover') {
    history.replaceState(null, '', location.pathname + location.search);
    if (!find('#cover .people-list')) find('#cover-pick')?.showModal();
  }
})();
