// The player of a recording: the two parties one above the other, volume and mute of each, speed, skipped silence.
'use strict';
(() => {
  const { find, all, lengthOf, toast, words, data } = window.telegraphone;
  // What counts as silence, as a part of full scale, and for how long.
  const QUIET = 0.012;
  const LONG_S = 1.5;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Stretches in which both parties are quiet: [from, until] in s.
  function silences(peaks, duration) {
    const points = Math.max(...peaks.map(channel => channel.length));
    const each = duration / points;
    const found = [];
    let from = null;
    for (let at = 0; at <= points; at += 1) {
      const quiet = at < points && peaks.every(channel => (channel[at] ?? 0) < QUIET);
      if (quiet && from === null) from = at;
      if (!quiet && from !== null) {
        // A little of it stays: words are not cut.
        if ((at - from) * each > LONG_S) found.push([from * each + 0.3, at * each - 0.3]);
        from = null;
      }
    }
    return found;
  }

  async function set(player) {
    if (player.dataset.set !== undefined || !player.isConnected) return;
    player.dataset.set = '';
    const { source, shape, marks, rate } = player.dataset;
    const sound = find('audio', player);
    const wave = find('.wave', player);
    const seek = find('.seek', player);
    const time = find('.time', player);
    const toggle = find('.play', player);
    sound.src = source;

    let duration = Number(player.dataset.length) / 1000;
    // Whoever has hold of the slider moves it.
    let dragging = false;
    const show = sought => {
      const at = typeof sought === 'number' ? sought : sound.currentTime || 0;
      time.textContent = `${lengthOf(at * 1000)} / ${lengthOf(duration * 1000)}`;
      if (seek && !dragging) seek.value = at;
      if (seek) seek.setAttribute('aria-valuetext', lengthOf(at * 1000));
      toggle.setAttribute('aria-pressed', String(!sound.paused));
      toggle.dataset.state = sound.paused ? 'paused' : 'playing';
    };
    if (seek) seek.max = duration;

    // The channels, once a person has asked to hear something: before that a browser lets nothing sound.
    let gains = null;
    const wanted = { caller: { volume: 1, mute: false }, callee: { volume: 1, mute: false } };
    function apply() {
      if (!gains) return;
      for (const side of ['caller', 'callee']) gains[side].gain.value = wanted[side].mute ? 0 : wanted[side].volume;
    }
    function wire() {
      if (gains || !find('.channels', player)) return;
      const context = new AudioContext();
      const from = context.createMediaElementSource(sound);
      const splitter = context.createChannelSplitter(2);
      const merger = context.createChannelMerger(2);
      gains = { context, caller: context.createGain(), callee: context.createGain() };
      from.connect(splitter);
      splitter.connect(gains.caller, 0);
      splitter.connect(gains.callee, 1);
      gains.caller.connect(merger, 0, 0);
      gains.callee.connect(merger, 0, 1);
      merger.connect(context.destination);
      apply();
    }
    async function play() {
      wire();
      if (gains?.context.state === 'suspended') await gains.context.resume();
      try { await sound.play(); } catch (error) { if (error.name !== 'AbortError') toast(words.failed, true); }
    }

    toggle.addEventListener('click', () => { if (sound.paused) play(); else sound.pause(); });
    seek?.addEventListener('pointerdown', () => { dragging = true; });
    for (const name of ['pointerup', 'pointercancel', 'change', 'blur']) seek?.addEventListener(name, () => { dragging = false; });
    seek?.addEventListener('input', () => { sound.currentTime = Number(seek.value); show(); });
    find('.speed', player)?.addEventListener('change', event => { sound.playbackRate = Number(event.target.value); sound.preservesPitch = true; });
    for (const channel of all('.channel', player)) {
      const side = channel.dataset.side;
      find('input[type=range]', channel).addEventListener('input', event => { wanted[side].volume = Number(event.target.value); apply(); });
      find('.mute', channel).addEventListener('click', event => {
        wanted[side].mute = !wanted[side].mute;
        event.currentTarget.setAttribute('aria-pressed', String(wanted[side].mute));
        apply();
      });
    }
    for (const name of ['play', 'pause', 'seeked', 'timeupdate', 'loadedmetadata']) sound.addEventListener(name, show);
    sound.addEventListener('play', () => {
      for (const other of all('audio')) if (other !== sound) other.pause();
    });
    sound.addEventListener('error', () => toast(words.failed, true));

    // Keys on the player: space, left and right, as in every player.
    player.addEventListener('keydown', event => {
      if (event.target.matches('input:not(.seek), select, textarea, button')) return;
      if (event.key === ' ') { event.preventDefault(); toggle.click(); }
      const step = { ArrowRight: 5, ArrowLeft: -5 }[event.key];
      if (!step) return;
      event.preventDefault();
      // Before the first play nothing is loaded that could tell where one is.
      const from = sound.readyState === 0 ? Number(seek?.value || 0) : sound.currentTime;
      const to = Math.min(duration, Math.max(0, from + step));
      sound.currentTime = to;
      show(to);
    });

    let quiet = [];
    sound.addEventListener('timeupdate', () => {
      if (!find('.skip-silence', player)?.checked || sound.paused) return;
      const within = quiet.find(([from, until]) => sound.currentTime >= from && sound.currentTime < until - 0.1);
      if (within) sound.currentTime = within[1];
    });
    player.jump = to => { sound.currentTime = to; play(); };
    show();

    if (!wave || !shape) return;
    let stored;
    try {
      const response = await fetch(shape, { credentials: 'same-origin', headers: window.telegraphone.headersOf() });
      if (!response.ok) throw new Error(String(response.status));
      stored = await response.json();
    } catch { wave.hidden = true; return; }
    duration = stored.duration || duration;
    if (seek) seek.max = duration;
    quiet = silences(stored.peaks, duration);
    const two = stored.peaks.length === 2;
    const whole = wave.clientHeight || 176;
    // What goes by the theme.
    const colours = () => {
      const of = side => ({ waveColor: colour(side), progressColor: colour('--line-strong') });
      return { ...of('--caller'), cursorColor: colour('--ink'), splitChannels: two ? [of('--caller'), of('--callee')] : undefined };
    };
    const drawn = window.WaveSurfer.create({
      container: find('.wave-form', wave),
      media: sound,
      peaks: stored.peaks,
      duration,
      height: two ? whole / 2 : whole,
      ...colours(),
      cursorWidth: 2,
      barWidth: 2,
      barGap: 1,
      barRadius: 1,
      dragToSeek: true,
      cspNonce: data.nonce,
    });
    new MutationObserver(() => drawn.setOptions(colours())).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    // Before the first play nothing is loaded that could tell where one has clicked.
    drawn.on('interaction', at => { if (sound.readyState === 0) { sound.currentTime = at; show(at); } });
    place(wave, to => { sound.currentTime = to; show(to); }, JSON.parse(marks || '[]'), Number(rate) || stored.rate, duration);
    player.dataset.drawn = '';
    show();
  }

  // Pauses as hatched stretches, other markers as lines.
  function place(wave, seekTo, marks, rate, duration) {
    const layer = find('.wave-layer', wave);
    const put = (kind, from, until, text) => {
      const one = document.createElement('span');
      one.className = `wave-mark ${kind}`;
      one.title = text;
      one.style.left = `${(from / duration) * 100}%`;
      // A line is a moment; in a stretch one comes to where one has clicked.
      one.addEventListener('click', event => {
        const box = layer.getBoundingClientRect();
        seekTo(until === null ? from : Math.min(duration, Math.max(0, ((event.clientX - box.left) / box.width) * duration)));
      });
      if (until !== null) one.style.width = `${Math.max(0.2, ((until - from) / duration) * 100)}%`;
      layer.append(one);
    };
    let paused = null;
    for (const mark of marks) {
      const at = mark.at / rate;
      if (mark.kind === 'pause') paused = { at, text: mark.text };
      else if (mark.kind === 'resume' && paused) { put('paused', paused.at, at, paused.text); paused = null; }
      else if (['hold', 'unhold', 'transfer', 'pause_cut'].includes(mark.kind)) put('line', at, null, mark.text);
    }
    if (paused) put('paused', paused.at, duration, paused.text);
  }

  // The list of what happened may be another one than when the player began.
  document.addEventListener('click', event => {
    const jump = event.target.closest('.recording [data-at]');
    if (jump) find('.player', jump.closest('.recording'))?.jump?.(Number(jump.dataset.at));
  });
  const begin = () => all('.player[data-source]').forEach(set);
  document.addEventListener('shown', begin);
  begin();
})();
