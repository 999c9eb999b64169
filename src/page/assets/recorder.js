// Sounds that callers hear, from a microphone or a file: made fit for the telephone, and put where a button says.
'use strict';
(() => {
  const { ask, toast, sure, refresh, find, lengthOf, words: common } = window.telegraphone;
  const recorder = find('#recorder');
  if (!recorder) return;
  const words = JSON.parse(find('#recorder-words').textContent);

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

  // ---- Where it goes --------------------------------------------------------------------------

  // `data-record` and `data-upload` say the place; `{name}` in it stands for what a field of their form says. Empty: the
  // form has told what is wrong.
  function placeOf(said, form) {
    if (!said.includes('{')) return said;
    if (!form.reportValidity()) return '';
    return said.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(form.elements[name].value.trim()));
  }
  async function keep(place, form, wav) {
    const answer = await ask('PUT', place, wav);
    if (!answer.ok) {
      if (answer.status !== 401) toast((answer.body.errors || [answer.body.detail || common.failed]).join('\n'), true);
      return false;
    }
    toast(words.saved);
    form?.reset();
    refresh();
    return true;
  }

  // ---- From a file ----------------------------------------------------------------------------

  document.addEventListener('change', async event => {
    const field = event.target;
    if (!field.matches('[data-upload]') || !field.files[0]) return;
    const file = field.files[0];
    field.value = '';
    const place = placeOf(field.dataset.upload, field.form);
    if (!place) return;
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
    await keep(place, field.form, wavOf(fit));
  });

  // ---- From a microphone ----------------------------------------------------------------------

  const at = name => find(`[data-recorder="${name}"]`, recorder);
  const [level, time, state, listen] = ['.recorder-level', '.recorder-time', '.recorder-state', 'audio'].map(one => find(one, recorder));
  // Where it goes, and the form that said so.
  let [place, form] = ['', null];
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
    if (starting || running || stopping) return;
    starting = true;
    if (ready && !(await sure(words.lose))) { starting = false; return; }
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

  // Until the take is there to be heard.
  let stopping = null;
  async function stop() {
    if (!running) return;
    stopping = finish();
    try { await stopping; } finally { stopping = null; }
  }
  async function finish() {
    const { stream, context, blocks, count } = running;
    running = null;
    stream.getTracks().forEach(track => track.stop());
    level.value = -60;
    const rate = context.sampleRate;
    await context.close();
    const samples = new Float32Array(Math.min(count(), rate * MOST_S));
    let filled = 0;
    for (const block of blocks) {
      samples.set(block.subarray(0, Math.max(0, samples.length - filled)), filled);
      filled = Math.min(samples.length, filled + block.length);
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
    place = placeOf(opener.dataset.record, opener.form);
    form = opener.form;
    if (!place) return;
    find('#recorder-kind').textContent = opener.dataset.label || decodeURIComponent(place.split('/').at(-1));
    time.textContent = '0:00 / 2:00';
    forget();
    show(words.idle);
    recorder.showModal();
    at('start').focus();
  });
  // Enter in the field that names it.
  document.addEventListener('submit', event => {
    const opener = find('[data-record]', event.target);
    if (!opener || event.target.dataset.api) return;
    event.preventDefault();
    opener.click();
  });
  at('start').addEventListener('click', start);
  at('stop').addEventListener('click', stop);
  at('keep').addEventListener('click', async () => {
    if (ready && await keep(place, form, ready.wav)) recorder.close();
  });
  // What was spoken and is not kept is asked about before it goes.
  const isBusy = () => Boolean(running || stopping || ready);
  let giving = false;
  async function giveUp() {
    if (giving) return;
    giving = true;
    try {
      if (running) await stop(); else await stopping;
      if (!ready || await sure(words.lose)) recorder.close();
    } finally { giving = false; }
  }
  recorder.addEventListener('cancel', event => {
    if (!isBusy()) return;
    event.preventDefault();
    giveUp();
  });
  recorder.addEventListener('click', event => {
    if (!event.target.closest('[data-close]') || !isBusy()) return;
    event.stopPropagation();
    giveUp();
  });
  window.addEventListener('beforeunload', event => { if (recorder.open && isBusy()) event.preventDefault(); });
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
})();
