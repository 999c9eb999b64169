// Ranges of the figures, days in the reader's words, and plots as files.
'use strict';
(() => {
  const { find, all, data, toast, words } = window.telegraphone;
  const texts = JSON.parse(find('#analytics-words').textContent);
  const KEPT = ['fill', 'stroke', 'stroke-width', 'font-size', 'font-weight', 'font-family', 'text-anchor', 'font-variant-numeric'];

  // The day so many days before today, in the company's zone.
  function dayBefore(count) {
    const day = new Intl.DateTimeFormat('en-CA', { timeZone: data.zone, year: 'numeric', month: '2-digit', day: '2-digit' });
    const at = new Date(`${day.format(new Date())}T12:00:00Z`);
    at.setUTCDate(at.getUTCDate() - count);
    return at.toISOString().slice(0, 10);
  }

  document.addEventListener('click', event => {
    const preset = event.target.closest('[data-days]');
    if (preset?.matches('button')) {
      const form = preset.form || preset.closest('form');
      form.elements.from.value = dayBefore(Number(preset.dataset.days) - 1);
      form.elements.until.value = '';
      form.elements.from.dispatchEvent(new Event('input', { bubbles: true }));
    }
    const button = event.target.closest('[data-plot-svg], [data-plot-png]');
    if (button) keep(button);
  });
  document.addEventListener('input', event => {
    const form = event.target.closest('form[data-filters]');
    if (!form) return;
    mark();
    // What the service would refuse is said at its field, and not asked.
    const [from, until] = [form.elements.from.value, form.elements.until.value || dayBefore(0)];
    const days = (Date.parse(until) - Date.parse(from)) / 86400000 + 1;
    const problem = !from ? '' : days < 1 ? texts.backwards : days > 400 ? texts.long : '';
    form.elements.from.toggleAttribute('aria-invalid', Boolean(problem));
    if (problem) form.elements.from.setAttribute('aria-invalid', 'true');
    const place = find('#range-problem');
    place.textContent = problem;
    place.hidden = !problem;
    if (problem) event.stopImmediatePropagation();
  }, true);

  // Which range is chosen now.
  function mark() {
    const form = find('form[data-filters]');
    for (const preset of all('button[data-days]', form)) {
      const chosen = !form.elements.until.value && form.elements.from.value === dayBefore(Number(preset.dataset.days) - 1);
      preset.setAttribute('aria-pressed', String(chosen));
    }
  }

  function label() {
    const short = new Intl.DateTimeFormat(data.lang, { timeZone: 'UTC', day: 'numeric', month: 'short' });
    for (const text of all('[data-day-label]')) text.textContent = short.format(new Date(`${text.dataset.dayLabel}T12:00:00Z`));
  }

  // ---- A plot as a file -----------------------------------------------------------------------

  // The plot by itself: with its colours, its title and its range, and of one size.
  function alone(plot) {
    const styles = getComputedStyle(document.body);
    const { width: drawn, height } = plot.getBoundingClientRect();
    // Days are drawn beside the numbers of their axis.
    const width = plot.matches('.days') ? drawn + 44 : drawn;
    const copy = plot.cloneNode(true);
    const [from, to] = [[plot, ...all('*', plot)], [copy, ...all('*', copy)]];
    from.forEach((one, at) => {
      const computed = getComputedStyle(one);
      for (const name of KEPT) {
        const value = computed.getPropertyValue(name);
        if (value && !(name === 'fill' && to[at].getAttribute('fill'))) to[at].setAttribute(name, value);
      }
      to[at].removeAttribute('class');
    });
    const outer = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const legend = all('.legend li', plot.closest('.card'));
    const top = legend.length ? 84 : 60;
    const [w, h] = [Math.ceil(width) + 32, Math.ceil(height) + top + 12];
    for (const [name, value] of Object.entries({ xmlns: 'http://www.w3.org/2000/svg', width: w, height: h, viewBox: `0 0 ${w} ${h}` })) outer.setAttribute(name, value);
    const make = (name, values, text) => {
      const one = document.createElementNS('http://www.w3.org/2000/svg', name);
      for (const [key, value] of Object.entries(values)) one.setAttribute(key, value);
      if (text) one.textContent = text;
      outer.append(one);
    };
    const font = { x: 16, 'font-family': 'system-ui, sans-serif' };
    make('rect', { width: w, height: h, fill: getComputedStyle(plot.closest('.card')).backgroundColor });
    make('text', { ...font, y: 28, 'font-size': 16, 'font-weight': 650, fill: styles.color }, plot.dataset.title);
    make('text', { ...font, y: 46, 'font-size': 12, fill: styles.color }, find('#plot-range')?.textContent || '');
    for (const [name, value] of Object.entries({ x: 16, y: top, width: drawn, height, overflow: 'visible' })) copy.setAttribute(name, value);
    outer.append(copy);
    let at = 16;
    for (const item of legend) {
      const missed = Boolean(find('.key-missed', item));
      make('rect', { x: at, y: 58, width: 12, height: 12, ...(missed ? { fill: `url(#${plot.id}-hatch)`, stroke: getComputedStyle(find('.key', item)).borderTopColor } : { fill: getComputedStyle(find('.key', item)).backgroundColor }) });
      make('text', { ...font, x: at + 18, y: 68, 'font-size': 12, fill: styles.color }, item.textContent.trim());
      at += 40 + item.textContent.trim().length * 6.5;
    }
    return { text: new XMLSerializer().serializeToString(outer), width: w, height: h };
  }

  function save(blob, name) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function keep(button) {
    const id = button.dataset.plotSvg || button.dataset.plotPng;
    const { text, width, height } = alone(document.getElementById(id));
    const name = id.replace('plot-', 'telegraphone-');
    if (button.dataset.plotSvg) { save(new Blob([text], { type: 'image/svg+xml' }), `${name}.svg`); return; }
    const picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    try { await picture.decode(); } catch { toast(words.failed, true); return; }
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width * 2, height * 2];
    const context = canvas.getContext('2d');
    context.scale(2, 2);
    context.drawImage(picture, 0, 0, width, height);
    canvas.toBlob(blob => (blob ? save(blob, `${name}.png`) : toast(words.failed, true)), 'image/png');
  }

  document.addEventListener('shown', label);
  label();
})();
