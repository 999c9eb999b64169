// Notifications of new voicemail: they come when no page is open as well.
'use strict';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));

self.addEventListener('push', event => {
  let told = {};
  try { told = event.data ? event.data.json() : {}; } catch { /* Nothing readable: that something is there is told all the same. */ }
  const title = told.title || 'Telegraphone';
  event.waitUntil(self.registration.showNotification(title, {
    body: told.body || '',
    tag: told.message || told.tag || 'telegraphone',
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
