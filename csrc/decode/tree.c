/* tree.c - the prefixes of a search as a tree: each is a label after its parent.
 *
 * A node stays while it is in the beam or before a node that is. Each frame makes at
 * most as many as the beam holds, so that 1 + beam * frames nodes are always enough. */
#include "decode.h"

void clear_tree(Search *s)
{
    s->used = 0;
    s->free = -1;
}

int32_t add_node(Search *s, const Node *node)
{
    int32_t own = s->free;
    if (own >= 0)
        s->free = s->nodes[own].sibling;
    else
        own = s->used++;
    Node *to = s->nodes + own;
    *to = *node;
    to->child = to->sibling = -1;
    to->slot = OUT;
    if (node->parent >= 0) {
        Node *parent = s->nodes + node->parent;
        to->sibling = parent->child;
        parent->child = own;
    }
    return own;
}

int32_t find_node(const Search *s, int32_t parent, int32_t label, int32_t word)
{
    int32_t k = s->nodes[parent].child;
    while (k >= 0 && (s->nodes[k].label != label || s->nodes[k].word != word))
        k = s->nodes[k].sibling;
    return k;
}

static void unlink_node(Search *s, int32_t node)
{
    int32_t *link = &s->nodes[s->nodes[node].parent].child;
    while (*link != node)
        link = &s->nodes[*link].sibling;
    *link = s->nodes[node].sibling;
}

/* A node that has left the beam, and those before it that nobody needs any more. */
void release_node(Search *s, int32_t node)
{
    while (node > 0 && s->nodes[node].slot == OUT && s->nodes[node].child < 0) {
        const int32_t parent = s->nodes[node].parent;
        unlink_node(s, node);
        s->nodes[node].sibling = s->free;
        s->nodes[node].slot = FREE;
        s->free = node;
        node = parent;
    }
}
