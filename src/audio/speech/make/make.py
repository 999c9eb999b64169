#!/usr/bin/env python3
"""Makes the speech of the service anew: espeak-ng speaks, sox trims, libopus packs; one file a language.

    ./make.py [LANGUAGE…]        writes ../en.pack …, and what is said in them into spoken/en.txt …;
                                 needs espeak-ng, sox and libopus.so.0

A pack, all numbers little-endian: u16 number of clips; of each: u8 length of its name, the name,
u32 where its payloads begin (from the end of this table), u32 samples, u16 samples to leave out at
the beginning. Then the payloads: u16 length, Opus of 60 ms at 8 kHz. Clips of one text are stored once.
"""

import array
import ctypes
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VOICES = {"en": "en-us+f3", "de": "de+f3", "fr": "fr-fr+f3", "es": "es+f3"}
RATE, FRAME, BITS = 8000, 480, 14000
LOUD, PEAK = 3300.0, 20000.0

EN = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
      "seventeen eighteen nineteen").split()
EN_ORDINAL = ("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
              "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth").split()
DE_ORDINAL = ("ersten zweiten dritten vierten fünften sechsten siebten achten neunten zehnten elften zwölften "
              "dreizehnten vierzehnten fünfzehnten sechzehnten siebzehnten achtzehnten neunzehnten").split()
DE = ("null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
      "siebzehn achtzehn neunzehn").split()
DE_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
FR = ("zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
      "dix-huit dix-neuf").split()
FR_TENS = "- - vingt trente quarante cinquante soixante - quatre-vingt".split()
ES = ("cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
      "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
      "veintiocho veintinueve").split()
ES_TENS = "- - - treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
ES_HUNDREDS = "- cien doscient trescient cuatrocient quinient seiscient setecient ochocient novecient".split()
DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split(),
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche".split(),
    "es": "lunes martes miércoles jueves viernes sábado domingo".split(),
}
ON = {"en": "on", "de": "am", "fr": "le", "es": "el"}
MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
}


def number(language, n, gender=""):
    """0 to 99; `gender`: "m" or "f" before a noun, empty where one counts."""
    tens, ones = divmod(n, 10)
    if language == "en":
        if n < 20:
            return EN[n]
        word = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()[tens]
        return word if ones == 0 else f"{word}-{EN[ones]}"
    if language == "de":
        if n == 1 and gender:
            return {"m": "ein", "f": "eine"}[gender]
        if n < 20:
            return DE[n]
        return DE_TENS[tens] if ones == 0 else f"{'ein' if ones == 1 else DE[ones]}und{DE_TENS[tens]}"
    if language == "fr":
        if n in (71, 91):
            return "soixante et onze" if n == 71 else "quatre-vingt-onze"
        one = "une" if gender == "f" else "un"
        if n == 1:
            return one
        if n < 20:
            return FR[n]
        if tens in (7, 9):
            return f"{FR_TENS[tens - 1]}-{FR[10 + ones]}"
        if ones == 0:
            return "quatre-vingts" if n == 80 else FR_TENS[tens]
        if ones == 1:
            return f"quatre-vingt-{one}" if tens == 8 else f"{FR_TENS[tens]} et {one}"
        return f"{FR_TENS[tens]}-{FR[ones]}"
    if ones == 1 and n != 11 and gender:
        one = {"m": "un", "f": "una"}[gender]
        if n == 21:
            return {"m": "veintiún", "f": "veintiuna"}[gender]
        return one if n == 1 else f"{ES_TENS[tens]} y {one}"
    if n < 30:
        return ES[n]
    return ES_TENS[tens] if ones == 0 else f"{ES_TENS[tens]} y {ES[ones]}"


def hundreds(language, n, gender, more):
    """`more`: a number below a hundred follows."""
    if language == "en":
        return f"{EN[n]} hundred{' and' if more else ''}"
    if language == "de":
        return f"{'ein' if n == 1 else DE[n]}hundert"
    if language == "fr":
        return "cent" if n == 1 else f"{FR[n]} cent{'' if more else 's'}"
    if n == 1:
        return "ciento" if more else "cien"
    return ES_HUNDREDS[n] + ("as" if gender == "f" else "os")


def day(language, n):
    if language == "en":
        tens, ones = divmod(n, 10)
        word = EN_ORDINAL[n - 1] if n <= 20 else "thirtieth" if n == 30 else \
            f"{'twenty' if tens == 2 else 'thirty'}-{EN_ORDINAL[ones - 1]}"
        return f"the {word} of"
    if language == "de":
        return "dem " + (DE_ORDINAL[n - 1] if n < 20 else f"{number('de', n)}sten")
    if language == "fr":
        return "premier" if n == 1 else number("fr", n)
    return number("es", n)


def hour(language, n, more):
    """`more`: minutes follow."""
    if language == "en":
        return f"at {EN[12 if n % 12 == 0 else n % 12]}"
    if language == "de":
        return f"um {number('de', n, 'm')} Uhr"
    if language == "fr":
        return f"à {number('fr', n, 'f')} heure{'s' if n > 1 else ''}"
    return f"a la{'s' if n != 1 else ''} {number('es', n, 'f')}{' y' if more else ''}"


def month(language, n, year):
    name = MONTHS[language][n - 1]
    return f"de {name}{' de' if year else ''}" if language == "es" else name


def texts(language):
    out = {}
    with open(os.path.join(HERE, f"{language}.txt"), encoding="utf-8") as lines:
        for line in lines:
            name, text = line.rstrip("\n").split(": ", 1)
            out[name] = text
    for n in range(100):
        out[f"n-{n}"] = number(language, n)
        if n % 10 == 1 and n != 11:
            for gender in "mf":
                out[f"n-{n}-{gender}"] = number(language, n, gender)
    for n in range(1, 10):
        for gender in "mf":
            out[f"hundred-{n}-{gender}"] = hundreds(language, n, gender, False)
            out[f"hundred-{n}-{gender}-and"] = hundreds(language, n, gender, True)
    english = language == "en"
    out["a-hundred"] = "a hundred" if english else hundreds(language, 1, "m", False)
    out["a-hundred-and"] = "a hundred and" if english else hundreds(language, 1, "m", True)
    for n, name in enumerate(DAYS[language], 1):
        out[f"weekday-{n}"] = f"{ON[language]} {name}"
    for n in range(1, 32):
        out[f"day-{n}"] = day(language, n)
    for n in range(1, 13):
        out[f"month-{n}"] = month(language, n, False)
        out[f"month-{n}-year"] = month(language, n, True)
    for n in range(24):
        out[f"hour-{n}"] = hour(language, n, False)
        out[f"hour-{n}-past"] = hour(language, n, True)
    return out


class Packer:
    """libopus, one encoder a clip."""

    def __init__(self):
        self.lib = ctypes.CDLL("libopus.so.0")
        self.lib.opus_encoder_create.restype = ctypes.c_void_p

    def pack(self, samples):
        failed = ctypes.c_int()
        encoder = ctypes.c_void_p(self.lib.opus_encoder_create(RATE, 1, 2048, ctypes.byref(failed)))
        for key, value in ((4002, BITS), (4010, 10), (4024, 3001)):
            self.lib.opus_encoder_ctl(encoder, ctypes.c_int(key), ctypes.c_int(value))
        ahead = ctypes.c_int32()
        self.lib.opus_encoder_ctl(encoder, ctypes.c_int(4027), ctypes.byref(ahead))
        whole = -(-(len(samples) + ahead.value) // FRAME) * FRAME
        padded = samples + array.array("h", [0] * (whole - len(samples)))
        room, out = ctypes.create_string_buffer(1500), b""
        for at in range(0, whole, FRAME):
            frame = (ctypes.c_int16 * FRAME)(*padded[at:at + FRAME])
            length = self.lib.opus_encode(encoder, frame, FRAME, room, 1500)
            assert length > 0, length
            out += struct.pack("<H", length) + room.raw[:length]
        self.lib.opus_encoder_destroy(encoder)
        return ahead.value, out


def speak(language, text):
    voice = subprocess.run(["espeak-ng", "-v", VOICES[language], "-s", "150", "--stdout", text],
                           check=True, capture_output=True).stdout
    trimmed = ["sox", "-", "-t", "raw", "-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed", "-", "gain", "-n", "-3",
               "silence", "1", "0.005", "0.5%", "reverse", "silence", "1", "0.005", "0.5%", "reverse",
               "pad", "0.02", "0.03"]
    raw = subprocess.run(trimmed, input=voice, check=True, capture_output=True).stdout
    samples = array.array("h", raw)
    loud = [s for s in samples if abs(s) > 300]
    gain = min(LOUD / (sum(s * s for s in loud) / len(loud)) ** 0.5, PEAK / max(abs(s) for s in samples))
    return array.array("h", (round(s * gain) for s in samples))


def make(language):
    packer, data, head, known, seconds = Packer(), b"", b"", {}, 0.0
    named = texts(language)
    for name, text in sorted(named.items()):
        if text not in known:
            samples = speak(language, text)
            ahead, payloads = packer.pack(samples)
            known[text] = (len(data), len(samples), ahead)
            data += payloads
            seconds += len(samples) / RATE
        head += struct.pack("<B", len(name)) + name.encode() + struct.pack("<IIH", *known[text])
    with open(os.path.join(HERE, "..", f"{language}.pack"), "wb") as out:
        out.write(struct.pack("<H", len(named)) + head + data)
    with open(os.path.join(HERE, "spoken", f"{language}.txt"), "w", encoding="utf-8") as out:
        out.writelines(f"{name}: {text}\n" for name, text in sorted(named.items()))
    print(f"{language}: {len(named)} clips, {len(known)} texts, {seconds:.0f} s, {len(head) + len(data) + 2} bytes")


for language in sys.argv[1:] or VOICES:
    make(language)
