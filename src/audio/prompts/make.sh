#!/bin/sh
# Makes the prompts of the service anew: espeak-ng speaks, sox trims and stores as µ-law.
set -eu
cd "$(dirname "$0")"
say() {
    espeak-ng -v en-us+f3 -s 150 -w "$1.long.wav" "$2"
    sox "$1.long.wav" -r 8000 -c 1 -b 16 "$1.linear.wav" gain -n -6 \
        silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.05 0.1
    sox "$1.linear.wav" -e mu-law -b 8 "$1.wav"
    rm "$1.long.wav" "$1.linear.wav"
}
say recorded "This call is recorded."
say recorded-refuse "This call is recorded. Press nine if you do not agree."
say not-recorded "This call is not recorded, because the recording has failed."
say closed "We are closed at the moment. Please call again during our opening hours."
say invalid "This choice does not exist."
say goodbye "Nobody can take your call at the moment. Goodbye."
