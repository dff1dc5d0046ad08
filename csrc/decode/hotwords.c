/* hotwords.c - label sequences found as their labels come, by suffixes.
 *
 * Aho, Corasick: Efficient string matching: an aid to bibliographic search. CACM 18,
 * 1975. */
#include "decode.h"

int32_t follow_match(const lstmc_hotwords *hotwords, int32_t match, int32_t label)
{
    for (;;) {
        const int32_t found = find_child(&hotwords->trie, match, label);
        if (found || match == 0)
            return found;
        match = hotwords->suffix[match];
    }
}
