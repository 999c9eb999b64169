// Hands what the microphone gives to the page, block by block, as one channel.
'use strict';
class Tap extends AudioWorkletProcessor {
  process(inputs) {
    const channels = inputs[0];
    if (channels.length) {
      const mono = new Float32Array(channels[0].length);
      for (const channel of channels) for (let at = 0; at < mono.length; at += 1) mono[at] += channel[at] / channels.length;
      this.port.postMessage(mono, [mono.buffer]);
    }
    return true;
  }
}
registerProcessor('tap', Tap);
