/* The coders whose steps follow from each other, byte by byte: `quic.py`, `lz.py`, `glz.py` and `lz4.py` in C.
 *
 * Each function does what its Python twin does, with the same bounds: what is written there about the formats is not
 * repeated here, and the tests hold one against the other. ValueError stands for "the peer sent this wrong".
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* QUIC */

enum {
    LONGEST = 26,
    STEPS = 6,
    STEP_PIXELS = 2048,
    RUN_STATES = 32,
    LEVELS_MAX = 256,
    CODES_MAX = 8,
};

static const int triggers[STEPS + 1] = {110, 550, 900, 800, 550, 400, 350};
static const uint8_t run_bits[RUN_STATES] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3,  3,  3,
                                             4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

typedef struct {
    int bits;
    int prefix[CODES_MAX];
    int plain_from[CODES_MAX];
    int plain_bits[CODES_MAX];
    uint8_t length[LEVELS_MAX][CODES_MAX];
    uint8_t bucket_of[LEVELS_MAX];
    uint8_t meaning[LEVELS_MAX];
} Family;

typedef struct {
    const uint8_t *data;
    size_t words;
    uint64_t at; /* in bits */
    int over;    /* more was asked for than there is */
} Bits;

typedef struct {
    uint32_t cost[CODES_MAX][CODES_MAX];
    uint8_t best[CODES_MAX];
    uint8_t before;
    uint8_t *numbers;
} Channel;

typedef struct {
    const Family *family;
    const uint8_t *chances;
    Bits *bits;
    int colors;
    int width;
    Channel channel[3];
    int wait;
    int chance;
    int step;
    int step_left;
    int run_state;
} Group;

static int bit_length(uint32_t value) {
    return value ? 32 - __builtin_clz(value) : 0;
}

static void make_family(Family *family, int bits) {
    int levels = 1 << bits;
    family->bits = bits;
    for (int code = 0; code < bits; code++) {
        int prefix = (1 << (bits - code)) - 1;
        if (prefix > LONGEST - bits) {
            prefix = LONGEST - bits;
        }
        family->prefix[code] = prefix;
        family->plain_from[code] = prefix << code;
        family->plain_bits[code] = bit_length((uint32_t)(levels - (prefix << code) - 1));
        for (int number = 0; number < levels; number++) {
            int golomb = number < family->plain_from[code];
            family->length[number][code] =
                (uint8_t)(golomb ? (number >> code) + code + 1 : prefix + family->plain_bits[code]);
        }
    }
    int first = 0;
    int size = 1;
    int bucket = 0;
    while (first < levels) {
        int last = first + size - 1;
        if (last + size >= levels) {
            last = levels - 1;
        }
        for (int number = first; number <= last; number++) {
            family->bucket_of[number] = (uint8_t)bucket;
        }
        first = last + 1;
        size *= 2;
        bucket++;
    }
    for (int number = 0; number < levels; number++) {
        family->meaning[number] = (uint8_t)(number & 1 ? levels - 1 - (number >> 1) : number >> 1);
    }
}

static uint32_t word_at(const Bits *bits, size_t index) {
    if (index >= bits->words) {
        return 0;
    }
    const uint8_t *bytes = bits->data + 4 * index;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t peek(Bits *bits) {
    if (bits->at > (uint64_t)bits->words * 32) {
        bits->over = 1;
        return 0;
    }
    size_t index = (size_t)(bits->at >> 5);
    int shift = (int)(bits->at & 31);
    uint64_t both = (uint64_t)word_at(bits, index) << 32 | word_at(bits, index + 1);
    return (uint32_t)(both >> (32 - shift));
}

/* The next number in a code, or -1. */
static int read_number(const Family *family, Bits *bits, int code) {
    uint32_t word = peek(bits);
    int zeros = 32 - bit_length(word);
    if (bits->over) {
        return -1;
    }
    if (zeros < family->prefix[code]) {
        int length = zeros + 1 + code;
        bits->at += (uint64_t)length;
        return zeros << code | (int)(word >> (32 - length) & ((1U << code) - 1));
    }
    int length = family->prefix[code] + family->plain_bits[code];
    bits->at += (uint64_t)length;
    int number = family->plain_from[code] + (int)(word >> (32 - length) & ((1U << family->plain_bits[code]) - 1));
    return number >> family->bits ? -1 : number;
}

static int bucket_before(const Group *group, const Channel *channel, int index) {
    return group->family->bucket_of[index ? channel->numbers[index - 1] : channel->before];
}

static void learn(Group *group, int index) {
    const Family *family = group->family;
    for (int color = 0; color < group->colors; color++) {
        Channel *channel = &group->channel[color];
        int bucket = bucket_before(group, channel, index);
        uint32_t *cost = channel->cost[bucket];
        const uint8_t *length = family->length[channel->numbers[index]];
        int best = family->bits - 1;
        for (int code = family->bits - 1; code >= 0; code--) {
            cost[code] += length[code];
            if (cost[code] < cost[best]) {
                best = code;
            }
        }
        channel->best[bucket] = (uint8_t)best;
        if (cost[best] > (uint32_t)triggers[group->step]) {
            for (int code = 0; code < family->bits; code++) {
                cost[code] >>= 1;
            }
        }
    }
}

static int draw_lot(Group *group) {
    group->chance = (group->chance + 1) & 255;
    return group->chances[group->chance] & ((1 << group->step) - 1);
}

/* A run's length, or -1. */
static int run_length(Group *group, int most) {
    Bits *bits = group->bits;
    int length = 0;
    while (peek(bits) >> 31) {
        bits->at++;
        length += 1 << run_bits[group->run_state];
        if (group->run_state < RUN_STATES - 1) {
            group->run_state++;
        }
        if (length > most) {
            return -1;
        }
    }
    bits->at++;
    int rest = run_bits[group->run_state];
    if (rest) {
        length += (int)(peek(bits) >> (32 - rest));
        bits->at += (uint64_t)rest;
    }
    if (group->run_state) {
        group->run_state--;
    }
    return bits->over || length > most ? -1 : length;
}

static int may_run(const Group *group, const uint8_t *line, const uint8_t *above, int index) {
    for (int color = 0; color < group->colors; color++) {
        const uint8_t *here = line + (size_t)color * (size_t)group->width + index;
        const uint8_t *there = above + (size_t)color * (size_t)group->width + index;
        if (there[-1] != there[0] || here[-1] != here[-2]) {
            return 0;
        }
    }
    return 1;
}

/* Pixels of one line between two halvings of the share that is learned from; 0 for what can't be right. */
static int segment(Group *group, uint8_t *line, const uint8_t *above, int index, int end) {
    const Family *family = group->family;
    int mask = (1 << family->bits) - 1;
    size_t width = (size_t)group->width;
    if (index == 0) {
        for (int color = 0; color < group->colors; color++) {
            Channel *channel = &group->channel[color];
            int number = read_number(family, group->bits, channel->best[bucket_before(group, channel, 0)]);
            if (number < 0) {
                return 0;
            }
            int guess = above ? above[(size_t)color * width] : 0;
            channel->numbers[0] = (uint8_t)number;
            line[(size_t)color * width] = (uint8_t)((family->meaning[number] + guess) & mask);
        }
        if (group->wait) {
            group->wait--;
        } else {
            group->wait = draw_lot(group);
            learn(group, 0);
        }
        index = 1;
    }
    int learn_at = index + group->wait;
    int no_run_at = 0;
    while (index < end) {
        if (above && index > 2 && index != no_run_at && may_run(group, line, above, index)) {
            group->wait = learn_at - index;
            no_run_at = index;
            int length = run_length(group, end - index);
            if (length < 0) {
                return 0;
            }
            for (int color = 0; color < group->colors; color++) {
                uint8_t *values = line + (size_t)color * width + index;
                memset(values, values[-1], (size_t)length);
            }
            index += length;
            if (index == end) {
                return 1;
            }
            learn_at = index + group->wait;
            continue;
        }
        for (int color = 0; color < group->colors; color++) {
            Channel *channel = &group->channel[color];
            uint8_t *value = line + (size_t)color * width + index;
            int number = read_number(family, group->bits, channel->best[bucket_before(group, channel, index)]);
            if (number < 0) {
                return 0;
            }
            int guess = above ? (value[-1] + above[(size_t)color * width + (size_t)index]) >> 1 : value[-1];
            channel->numbers[index] = (uint8_t)number;
            *value = (uint8_t)((family->meaning[number] + guess) & mask);
        }
        if (index == learn_at) {
            learn(group, index);
            learn_at = index + 1 + draw_lot(group);
        }
        index++;
    }
    group->wait = learn_at - end;
    return 1;
}

static int next_line(Group *group, uint8_t *line, const uint8_t *above) {
    for (int color = 0; color < group->colors; color++) {
        group->channel[color].before = above ? group->channel[color].numbers[0] : 0;
    }
    int at = 0;
    while (group->step < STEPS && group->step_left <= group->width - at) {
        if (group->step_left) {
            if (!segment(group, line, above, at, at + group->step_left)) {
                return 0;
            }
            at += group->step_left;
        }
        group->step++;
        group->step_left = STEP_PIXELS;
    }
    if (at < group->width) {
        if (!segment(group, line, above, at, group->width)) {
            return 0;
        }
        if (group->step < STEPS) {
            group->step_left -= group->width - at;
        }
    }
    return 1;
}

static int make_group(Group *group, const Family *family, const uint8_t *chances, Bits *bits, int colors, int width) {
    memset(group, 0, sizeof *group);
    group->family = family;
    group->chances = chances;
    group->bits = bits;
    group->colors = colors;
    group->width = width;
    group->chance = 255;
    group->step_left = STEP_PIXELS;
    for (int color = 0; color < colors; color++) {
        memset(group->channel[color].best, family->bits - 1, sizeof group->channel[color].best);
        group->channel[color].numbers = calloc((size_t)width, 1);
        if (!group->channel[color].numbers) {
            return 0;
        }
    }
    return 1;
}

static int decode_planes(Bits *bits, const uint8_t *chances, int depth, const int *colors, int groups, int width,
                         int height, uint8_t *out) {
    Family family;
    Group group[2];
    memset(group, 0, sizeof group);
    make_family(&family, depth);
    size_t line_bytes = 0;
    int fine = 1;
    for (int index = 0; index < groups; index++) {
        line_bytes += (size_t)colors[index] * (size_t)width;
        fine = fine && make_group(&group[index], &family, chances, bits, colors[index], width);
    }
    for (int row = 0; fine && row < height; row++) {
        uint8_t *line = out + (size_t)row * line_bytes;
        const uint8_t *above = row ? line - line_bytes : NULL;
        for (int index = 0; fine && index < groups; index++) {
            fine = next_line(&group[index], line, above) && !bits->over;
            line += (size_t)colors[index] * (size_t)width;
            above = above ? above + (size_t)colors[index] * (size_t)width : NULL;
        }
    }
    for (int index = 0; index < groups; index++) {
        for (int color = 0; color < group[index].colors; color++) {
            free(group[index].channel[color].numbers);
        }
    }
    return fine;
}

PyDoc_STRVAR(quic_doc, "quic(data, chances, depth, colors, alpha, width, height) -> bytes\n\n"
                       "Height x planes x width values, as `quic.decode_planes` makes them.");

static PyObject *quic(PyObject *Py_UNUSED(self), PyObject *args) {
    Py_buffer data;
    Py_buffer chances;
    int depth;
    int colors;
    int alpha;
    int width;
    int height;
    if (!PyArg_ParseTuple(args, "y*y*iipii", &data, &chances, &depth, &colors, &alpha, &width, &height)) {
        return NULL;
    }
    PyObject *made = NULL;
    if (chances.len != 256 || (depth != 5 && depth != 8) || (colors != 1 && colors != 3) || width < 1 || height < 1) {
        PyErr_SetString(PyExc_TypeError, "there is no such QUIC picture");
    } else {
        int planes[2] = {colors, 1};
        size_t size = (size_t)(colors + (alpha ? 1 : 0)) * (size_t)width * (size_t)height;
        made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (made) {
            uint8_t *out = (uint8_t *)PyBytes_AsString(made);
            Bits bits = {data.buf, (size_t)data.len / 4, 0, 0};
            int fine;
            Py_BEGIN_ALLOW_THREADS
            fine = decode_planes(&bits, chances.buf, depth, planes, alpha ? 2 : 1, width, height, out);
            Py_END_ALLOW_THREADS
            if (!fine) {
                Py_CLEAR(made);
                PyErr_SetString(PyExc_ValueError, "a QUIC picture is cut off or spoilt");
            }
        }
    }
    PyBuffer_Release(&chances);
    PyBuffer_Release(&data);
    return made;
}

/* LZ and LZ4 */

/* Copy `size` bytes from `distance` bytes before; they may reach into what is copied. */
static void copy_back(uint8_t *to, size_t distance, size_t size) {
    if (distance >= size) {
        memcpy(to, to - distance, size);
        return;
    }
    if (distance == 1) {
        memset(to, to[-1], size);
        return;
    }
    for (size_t index = 0; index < size; index++) {
        to[index] = to[(ptrdiff_t)index - (ptrdiff_t)distance];
    }
}

/* A length that goes on in bytes up to the first one that is not 255; 0 if there is none. */
static int lengthen(const uint8_t *data, size_t size, size_t *at, size_t *length) {
    unsigned more = 255;
    while (more == 255) {
        if (*at >= size) {
            return 0;
        }
        more = data[(*at)++];
        *length += more;
    }
    return 1;
}

static int unpack_lz(const uint8_t *data, size_t length, size_t *read, uint8_t *out, size_t limit, size_t unit) {
    size_t at = 0;
    size_t made = 0;
    while (made < limit) {
        if (at >= length) {
            return 0;
        }
        unsigned control = data[at++];
        if (control < 32) {
            size_t size = (control + 1) * unit;
            if (size > limit - made || size > length - at) {
                return 0;
            }
            memcpy(out + made, data + at, size);
            made += size;
            at += size;
            continue;
        }
        size_t units = (control >> 5) - 1;
        if (units == 6 && !lengthen(data, length, &at, &units)) {
            return 0;
        }
        if (at >= length) {
            return 0;
        }
        size_t distance = (control & 31) << 8 | data[at++];
        if (distance == 8191) {
            if (length - at < 2) {
                return 0;
            }
            distance += (size_t)data[at] << 8 | data[at + 1];
            at += 2;
        }
        distance = (distance + 1) * unit;
        size_t size = (units + 4 - unit) * unit;
        if (distance > made || size > limit - made) {
            return 0;
        }
        copy_back(out + made, distance, size);
        made += size;
    }
    *read = at;
    return 1;
}

PyDoc_STRVAR(lz_doc, "lz(data, limit, unit) -> (bytes, int)\n\n"
                     "`limit` bytes in units of `unit`, and how many bytes of `data` they took: as `lz.unpack`.");

static PyObject *lz(PyObject *Py_UNUSED(self), PyObject *args) {
    Py_buffer data;
    Py_ssize_t limit;
    int unit;
    if (!PyArg_ParseTuple(args, "y*ni", &data, &limit, &unit)) {
        return NULL;
    }
    PyObject *answer = NULL;
    PyObject *made = unit < 1 || unit > 3 || limit < 0 ? NULL : PyBytes_FromStringAndSize(NULL, limit);
    if (made) {
        size_t read = 0;
        int fine;
        uint8_t *out = (uint8_t *)PyBytes_AsString(made);
        Py_BEGIN_ALLOW_THREADS
        fine = unpack_lz(data.buf, (size_t)data.len, &read, out, (size_t)limit, (size_t)unit);
        Py_END_ALLOW_THREADS
        if (fine) {
            answer = Py_BuildValue("On", made, (Py_ssize_t)read);
        } else {
            PyErr_SetString(PyExc_ValueError, "an LZ picture is cut off or spoilt");
        }
        Py_DECREF(made);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "there is no such unit");
    }
    PyBuffer_Release(&data);
    return answer;
}

static int unpack_block(const uint8_t *block, size_t size, uint8_t *out, size_t *made, size_t limit) {
    size_t at = 0;
    for (;;) {
        if (at >= size) {
            return 0;
        }
        unsigned token = block[at++];
        size_t literals = token >> 4;
        if (literals == 15 && !lengthen(block, size, &at, &literals)) {
            return 0;
        }
        if (literals > size - at || literals > limit - *made) {
            return 0;
        }
        memcpy(out + *made, block + at, literals);
        *made += literals;
        at += literals;
        if (at == size) {
            return 1;
        }
        if (size - at < 2) {
            return 0;
        }
        size_t distance = (size_t)block[at] | (size_t)block[at + 1] << 8;
        at += 2;
        size_t length = token & 15;
        if (length == 15 && !lengthen(block, size, &at, &length)) {
            return 0;
        }
        length += 4;
        if (!distance || distance > *made || length > limit - *made) {
            return 0;
        }
        copy_back(out + *made, distance, length);
        *made += length;
    }
}

PyDoc_STRVAR(lz4_doc, "lz4(data, limit) -> bytes\n\n"
                      "The `limit` bytes that a picture's blocks hold, each behind its size: as `lz4.unpack_plainly`.");

static PyObject *lz4(PyObject *Py_UNUSED(self), PyObject *args) {
    Py_buffer data;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "y*n", &data, &limit)) {
        return NULL;
    }
    PyObject *out = PyBytes_FromStringAndSize(NULL, limit);
    if (out) {
        const uint8_t *bytes = data.buf;
        size_t length = (size_t)data.len;
        uint8_t *to = (uint8_t *)PyBytes_AsString(out);
        size_t at = 0;
        size_t made = 0;
        int fine = 1;
        Py_BEGIN_ALLOW_THREADS
        while (fine && at < length) {
            size_t size = 0;
            fine = length - at >= 4;
            for (int index = 0; fine && index < 4; index++) {
                size = size << 8 | bytes[at++];
            }
            fine = fine && size <= length - at && unpack_block(bytes + at, size, to, &made, (size_t)limit);
            at += size;
        }
        Py_END_ALLOW_THREADS
        if (!fine || made != (size_t)limit) {
            Py_CLEAR(out);
            PyErr_SetString(PyExc_ValueError, "an LZ4 picture is cut off or spoilt");
        }
    }
    PyBuffer_Release(&data);
    return out;
}

/* GLZ */

/* The earlier picture that was referred to last: mostly the next reference is to it again. */
typedef struct {
    PyObject *ask;
    size_t back;
    int known;
    int has_plane;
    Py_buffer plane;
    size_t bytes;
    int highest;
} Earlier;

static void forget(Earlier *earlier) {
    if (earlier->has_plane) {
        PyBuffer_Release(&earlier->plane);
    }
    earlier->has_plane = 0;
    earlier->known = 0;
}

/* Have `earlier` be the picture so far back; 0 with an exception set, if there is none. */
static int find(Earlier *earlier, size_t back) {
    if (earlier->known && earlier->back == back) {
        return 1;
    }
    forget(earlier);
    PyObject *answer = PyObject_CallFunction(earlier->ask, "n", (Py_ssize_t)back);
    if (!answer) {
        return 0;
    }
    PyObject *plane;
    Py_ssize_t bytes;
    int fine = PyArg_ParseTuple(answer, "Oni", &plane, &bytes, &earlier->highest);
    if (fine && plane != Py_None) {
        fine = PyObject_GetBuffer(plane, &earlier->plane, PyBUF_SIMPLE) == 0;
        earlier->has_plane = fine;
        if (fine && earlier->plane.len < bytes) {
            PyErr_SetString(PyExc_TypeError, "a plane is shorter than its picture");
            fine = 0;
        }
    }
    Py_DECREF(answer);
    earlier->back = back;
    earlier->bytes = (size_t)bytes;
    earlier->known = fine;
    return fine;
}

static int spoilt(void) {
    PyErr_SetString(PyExc_ValueError, "a GLZ picture is cut off or spoilt");
    return 0;
}

static uint8_t widened(unsigned five) {
    return (uint8_t)((five & 31) << 3 | (five & 31) >> 2);
}

static int unpack_glz(const uint8_t *data, size_t length, size_t *read, uint8_t *out, size_t limit, size_t plane_bytes,
                      int narrow, Earlier *earlier) {
    size_t coded = narrow ? 2 : plane_bytes;
    size_t at = 0;
    size_t made = 0;
    while (made < limit) {
        if (at >= length) {
            return spoilt();
        }
        unsigned control = data[at++];
        if (control < 32) {
            size_t pixels = control + 1;
            if (pixels * plane_bytes > limit - made || pixels * coded > length - at) {
                return spoilt();
            }
            if (narrow) {
                for (size_t index = 0; index < pixels; index++, at += 2, made += 3) {
                    unsigned value = (unsigned)data[at] << 8 | data[at + 1];
                    out[made] = widened(value);
                    out[made + 1] = widened(value >> 5);
                    out[made + 2] = widened(value >> 10);
                }
            } else {
                memcpy(out + made, data + at, pixels * coded);
                made += pixels * coded;
                at += pixels * coded;
            }
            continue;
        }
        size_t pixels = control >> 5;
        if (pixels == 7 && !lengthen(data, length, &at, &pixels)) {
            return spoilt();
        }
        if (length - at < 2) {
            return spoilt();
        }
        size_t offset = (control & 15) | (size_t)data[at] << 4;
        unsigned code = data[at + 1];
        at += 2;
        size_t back = 0;
        unsigned shift = 0;
        if (control & 16) {
            offset |= (size_t)(code & 31) << 12;
        } else {
            back = code & 63;
            shift = 6;
        }
        for (unsigned index = 0; index < code >> 6; index++, shift += 8) {
            if (at >= length) {
                return spoilt();
            }
            back |= (size_t)data[at++] << shift;
        }
        if (control & 16 && code & 32) {
            if (at >= length) {
                return spoilt();
            }
            offset |= (size_t)data[at++] << 17;
        }
        size_t size = (pixels + 3 - coded) * plane_bytes;
        if (size > limit - made) {
            return spoilt();
        }
        if (!back) {
            size_t distance = (offset + 1) * plane_bytes;
            if (distance > made) {
                return spoilt();
            }
            copy_back(out + made, distance, size);
        } else {
            size_t start = offset * plane_bytes;
            if (!find(earlier, back)) {
                return 0;
            }
            if (start > earlier->bytes || size > earlier->bytes - start) {
                return spoilt();
            }
            if (earlier->has_plane) {
                memcpy(out + made, (const uint8_t *)earlier->plane.buf + start, size);
            } else {
                memset(out + made, earlier->highest, size);
            }
        }
        made += size;
    }
    *read = at;
    return 1;
}

PyDoc_STRVAR(glz_doc, "glz(data, limit, plane_bytes, narrow, earlier) -> (bytes, int)\n\n"
                      "`limit` bytes of one plane, and how many bytes of `data` they took: as `glz.unpack_plainly`.\n"
                      "`earlier(back)` gives the plane of the picture so far back (or None), its bytes, and what\n"
                      "stands for each of them where there is none.");

static PyObject *glz(PyObject *Py_UNUSED(self), PyObject *args) {
    Py_buffer data;
    Py_ssize_t limit;
    int plane_bytes;
    int narrow;
    Earlier earlier;
    memset(&earlier, 0, sizeof earlier);
    if (!PyArg_ParseTuple(args, "y*nipO", &data, &limit, &plane_bytes, &narrow, &earlier.ask)) {
        return NULL;
    }
    PyObject *answer = NULL;
    PyObject *made = NULL;
    if (limit < 0 || (plane_bytes != 1 && plane_bytes != 3) || (narrow && plane_bytes != 3)) {
        PyErr_SetString(PyExc_TypeError, "there is no such plane");
    } else {
        made = PyBytes_FromStringAndSize(NULL, limit);
    }
    if (made) {
        size_t read = 0;
        if (unpack_glz(data.buf, (size_t)data.len, &read, (uint8_t *)PyBytes_AsString(made), (size_t)limit,
                       (size_t)plane_bytes, narrow, &earlier)) {
            answer = Py_BuildValue("On", made, (Py_ssize_t)read);
        }
        Py_DECREF(made);
    }
    forget(&earlier);
    PyBuffer_Release(&data);
    return answer;
}

static PyMethodDef methods[] = {
    {"quic", quic, METH_VARARGS, quic_doc},
    {"lz", lz, METH_VARARGS, lz_doc},
    {"lz4", lz4, METH_VARARGS, lz4_doc},
    {"glz", glz, METH_VARARGS, glz_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "frazil.spice.pictures._coders", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__coders(void) {
    return PyModuleDef_Init(&module);
}
