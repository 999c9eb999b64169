// Notifications of new voicemail: they come when no page is open as well.
'use strict';

// In the language of the page that has set this up: `title`, `urgent`, `body` and `withheld`.
const words = (() => {
  const english = { title: 'Voicemail from %', urgent: 'Urgent voicemail from %', body: '% in the box #', withheld: 'withheld' };
  try { return { ...english, ...JSON.parse(new URL(self.location.href).searchParams.get('words') || '{}') }; } catch { return english; }
})();

function lengthOf(ms) {
  const seconds = Math.max(0, Math.floor((ms || 0) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));

// { event, message, mailbox: { number, context, name }, caller: { name, number }, left, length_ms, urgent }
self.addEventListener('push', event => {
  let told = {};
  try { told = event.data ? event.data.json() : {}; } catch { /* Nothing readable: that something is there is told all the same. */ }
  const who = told.caller?.name || told.caller?.number || words.withheld;
  const title = told.message ? (told.urgent ? words.urgent : words.title).replace('%', () => who) : 'Telegraphone';
  const body = told.message ? words.body.replace('%', lengthOf(told.length_ms)).replace('#', () => told.mailbox?.name || told.mailbox?.number || '') : '';
  event.waitUntil(self.registration.showNotification(title, {
    body,
    tag: told.message || 'telegraphone',
    timestamp: told.left ? Date.parse(told.left) : Date.now(),
    requireInteraction: Boolean(told.urgent),
    icon: '/assets/0/icon.svg',
    data: { place: told.message ? `/voicemail/${encodeURIComponent(told.message)}` : '/voicemail' },
  }));
});

self.addEventListener('notificationclick', event => {
  event.notification.close();
  const place = event.notification.data.place;
  event.waitUntil(self.clients.matchAll({ type: 'window' }).then(windows => {
    const open = windows.find(one => new URL(one.url).pathname === place);
    return open ? open.focus() : self.clients.openWindow(place);
  }));
});
