#include "inference/winograd/tiles.hpp"

// Vectors are only passed between functions that are inlined, so how they would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#define DDLS_INLINE inline __attribute__((always_inline))

namespace ddls::inference::winograd {
namespace {

// `lanes` channels. Written out, because compilers do not vectorise over channels what is unrolled over a tile.
template <typename T>
struct VectorOf {
  typedef T type __attribute__((vector_size(lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <typename T>
using Vector = typename VectorOf<T>::type;

template <typename T>
DDLS_INLINE Vector<T> load(const T* from) {
  return *reinterpret_cast<const Vector<T>*>(from);
}

template <typename T>
DDLS_INLINE void store(T* to, Vector<T> value) {
  *reinterpret_cast<Vector<T>*>(to) = value;
}

DDLS_INLINE Vector<float> load(const Bfloat16* from) {
  return reinterpret_cast<Vector<float>>(__builtin_convertvector(load(&from->bits), Vector<uint32_t>) << 16);
}

// To the nearest, ties to even.
DDLS_INLINE void store(Bfloat16* to, Vector<float> value) {
  const auto bits = reinterpret_cast<Vector<uint32_t>>(value);
  store(&to->bits, __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, Vector<uint16_t>));
}

// The four maps of tiles.hpp in one dimension, in place where sizes agree; elements are `step` apart.
template <int side, typename V>
DDLS_INLINE void apply_bt(V* d, int step) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step];
  if constexpr (side == 4) {
    const V d3 = d[3 * step];
    d[0] = d0 - d2, d[step] = d1 + d2, d[2 * step] = d2 - d1, d[3 * step] = d1 - d3;
  } else {
    d[0] = d0 - d1, d[2 * step] = d2 - d1;
  }
}

template <int side, typename V>
DDLS_INLINE void apply_b(V* v, int step) {
  const V v0 = v[0], v1 = v[step], v2 = v[2 * step];
  if constexpr (side == 4) {
    const V v3 = v[3 * step];
    v[step] = v1 - v2 + v3, v[2 * step] = v1 + v2 - v0, v[3 * step] = -v3;
  } else {
    v[step] = v1 - v0 - v2;
  }
}

template <int side, typename V>
DDLS_INLINE void apply_at(V* y, int y_step, const V* m, int step) {
  if constexpr (side == 4) {
    y[0] = m[0] + m[step] + m[2 * step];
    y[y_step] = m[step] - m[2 * step] - m[3 * step];
  } else {
    y[0] = m[0] + m[step];
    y[y_step] = m[step] + m[2 * step];
  }
}

template <int side, typename V>
DDLS_INLINE void apply_a(V* m, int step, const V* y, int y_step) {
  const V y0 = y[0], y1 = y[y_step];
  m[0] = y0, m[step] = y0 + y1;
  if constexpr (side == 4)
    m[2 * step] = y0 - y1, m[3 * step] = -y1;
  else
    m[2 * step] = y1;
}

struct Place {
  int64_t image, row, column;
};

DDLS_INLINE Place place_of(int64_t tile, const TileGrid& grid) {
  return {tile / (grid.rows * grid.columns), tile / grid.columns % grid.rows, tile % grid.columns};
}

// Where the side x side pixels lie that a tile meets in one phase; `outside` for those beyond the edges.
template <int side, typename T>
DDLS_INLINE void pixels_of(T* (&at)[side * side], T* image, T* outside, int64_t channels, const TileGrid& grid,
                           const Place& tile, int64_t phase_row, int64_t phase_column) {
  const int64_t height = 2 * grid.rows * grid.stride, width = 2 * grid.columns * grid.stride;
  for (int i = 0; i < side; ++i) {
    const int64_t y = grid.stride * (2 * tile.row + i) - 1 + phase_row;
    for (int j = 0; j < side; ++j) {
      const int64_t x = grid.stride * (2 * tile.column + j) - 1 + phase_column;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      at[i * side + j] = inside ? image + ((tile.image * height + y) * width + x) * channels : outside;
    }
  }
}

template <int side, typename T>
DDLS_INLINE void gather_big_of(const T* image, int64_t channels, T* const* planes, const T* zeros, const TileGrid& grid,
                               TileRange tiles) {
  for (int64_t t = tiles.begin; t < tiles.end; ++t)
    for (int64_t phase = 0; phase < grid.phases(); ++phase) {
      const T* at[side * side];
      pixels_of<side, const T>(at, image, zeros, channels, grid, place_of(t, grid), phase / grid.stride,
                               phase % grid.stride);
      const int64_t row = ((t - tiles.origin) * grid.phases() + phase) * channels;
      for (int64_t c = 0; c < channels; c += lanes) {
        Vector<Product<T>> d[side * side];
        for (int p = 0; p < side * side; ++p) d[p] = load(at[p] + c);
        for (int j = 0; j < side; ++j) apply_bt<side>(d + j, side);
        for (int i = 0; i < side; ++i) apply_bt<side>(d + i * side, 1);
        for (int p = 0; p < side * side; ++p) store(planes[p] + row + c, d[p]);
      }
    }
}

template <int side, typename T>
DDLS_INLINE void scatter_big_of(T* image, int64_t channels, const T* const* planes, T* spare, const TileGrid& grid,
                                TileRange tiles, ChannelRange range) {
  for (int64_t t = tiles.begin; t < tiles.end; ++t)
    for (int64_t phase = 0; phase < grid.phases(); ++phase) {
      T* at[side * side];
      pixels_of<side, T>(at, image, spare, channels, grid, place_of(t, grid), phase / grid.stride, phase % grid.stride);
      const int64_t row = ((t - tiles.origin) * grid.phases() + phase) * channels;
      for (int64_t c = range.begin; c < range.end; c += lanes) {
        Vector<T> v[side * side];
        for (int p = 0; p < side * side; ++p) v[p] = load(planes[p] + row + c);
        for (int j = 0; j < side; ++j) apply_b<side>(v + j, side);
        for (int i = 0; i < side; ++i) apply_b<side>(v + i * side, 1);
        for (int p = 0; p < side * side; ++p) store(at[p] + c, load(at[p] + c) + v[p]);
      }
    }
}

template <typename T>
DDLS_INLINE T* small_pixel(T* image, int64_t channels, const TileGrid& grid, const Place& tile, int i, int j) {
  return image + ((tile.image * 2 * grid.rows + 2 * tile.row + i) * 2 * grid.columns + 2 * tile.column + j) * channels;
}

template <int side, typename T>
DDLS_INLINE void write_small_of(T* image, int64_t channels, const Product<T>* const* planes, const Product<T>* bias,
                                Product<T> slope, const TileGrid& grid, TileRange tiles) {
  for (int64_t t = tiles.begin; t < tiles.end; ++t) {
    const Place tile = place_of(t, grid);
    const int64_t row = (t - tiles.origin) * channels;
    for (int64_t c = 0; c < channels; c += lanes) {
      Vector<Product<T>> m[side * side], half[2 * side], y[4];
      for (int p = 0; p < side * side; ++p) m[p] = load(planes[p] + row + c);
      for (int j = 0; j < side; ++j) apply_at<side>(half + j, side, m + j, side);
      for (int i = 0; i < 2; ++i) apply_at<side>(y + 2 * i, 1, half + i * side, 1);
      for (int k = 0; k < 4; ++k) {
        if (bias != nullptr) y[k] += load(bias + c);
        if (slope != 1) y[k] = y[k] > 0 ? y[k] : y[k] * slope;
        store(small_pixel(image, channels, grid, tile, k / 2, k % 2) + c, y[k]);
      }
    }
  }
}

template <int side, typename T>
DDLS_INLINE void gather_small_of(const T* image, int64_t channels, T* const* planes, const TileGrid& grid,
                                 TileRange tiles) {
  for (int64_t t = tiles.begin; t < tiles.end; ++t) {
    const Place tile = place_of(t, grid);
    const int64_t row = (t - tiles.origin) * channels;
    for (int64_t c = 0; c < channels; c += lanes) {
      Vector<Product<T>> m[side * side], half[2 * side], y[4];
      for (int k = 0; k < 4; ++k) y[k] = load(small_pixel(image, channels, grid, tile, k / 2, k % 2) + c);
      for (int i = 0; i < 2; ++i) apply_a<side>(half + i * side, 1, y + 2 * i, 1);
      for (int j = 0; j < side; ++j) apply_a<side>(m + j, side, half + j, side);
      for (int p = 0; p < side * side; ++p) store(planes[p] + row + c, m[p]);
    }
  }
}

}  // namespace

// One binary for all processors: the loader picks the clone. Sums and products by powers of two only, so all clones
// give the same bits.
#define DDLS_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#define DDLS_BOTH_SIDES(function, ...) \
  if (grid.stride == 1)                \
    function<4>(__VA_ARGS__);          \
  else                                 \
    function<3>(__VA_ARGS__)

#define DDLS_TRANSFORMS(T)                                                                                          \
  template <>                                                                                                       \
  DDLS_CLONES void gather_big(const T* image, int64_t channels, T* const* planes, const T* zeros,                   \
                              const TileGrid& grid, TileRange tiles) {                                              \
    DDLS_BOTH_SIDES(gather_big_of, image, channels, planes, zeros, grid, tiles);                                    \
  }                                                                                                                 \
  template <>                                                                                                       \
  DDLS_CLONES void write_small(T* image, int64_t channels, const Product<T>* const* planes, const Product<T>* bias, \
                               Product<T> slope, const TileGrid& grid, TileRange tiles) {                           \
    DDLS_BOTH_SIDES(write_small_of, image, channels, planes, bias, slope, grid, tiles);                             \
  }                                                                                                                 \
  template <>                                                                                                       \
  DDLS_CLONES void gather_small(const T* image, int64_t channels, T* const* planes, const TileGrid& grid,           \
                                TileRange tiles) {                                                                  \
    DDLS_BOTH_SIDES(gather_small_of, image, channels, planes, grid, tiles);                                         \
  }

#define DDLS_SCATTER(T)                                                                                            \
  template <>                                                                                                      \
  DDLS_CLONES void scatter_big(T* image, int64_t channels, const T* const* planes, T* spare, const TileGrid& grid, \
                               TileRange tiles, ChannelRange range) {                                              \
    DDLS_BOTH_SIDES(scatter_big_of, image, channels, planes, spare, grid, tiles, range);                           \
  }

DDLS_TRANSFORMS(float)
DDLS_TRANSFORMS(double)
DDLS_TRANSFORMS(Bfloat16)
DDLS_SCATTER(float)
DDLS_SCATTER(double)

}  // namespace ddls::inference::winograd
