#pragma once
// The transforms of Winograd's minimal filtering (Winograd 1980), as Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", CVPR 2016, use it. Two kinds of convolution of a big image with a small one as result:
//
// - 3x3 kernels of stride 1 and padding 1 as F(2x2, 3x3): 16 products where the plain form has 36;
// - 4x4 kernels of stride 2 and padding 1: of each of the four phases of a big image (even or odd rows and columns) a
//   2x2 kernel, all of one sum, as F(2x2, 2x2): 9 products where the plain form has 16.
//
// A tile is 2x2 positions of the small image. Plane p of the planes holds the p-th of the 16 or 9 values of each tile:
// of the big image [tiles, phases * C], of the small one [tiles, K]. Per dimension, g a kernel, d what it meets, y
// results,
//
//   y = A^T ((G g) (B^T d))
//   F(2, 3): B^T d = (d0 - d2, d1 + d2, d2 - d1, d1 - d3), A^T m = (m0 + m1 + m2, m1 - m2 - m3),
//            G g = (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2)
//   F(2, 2): B^T d = (d0 - d1, d1, d2 - d1), A^T m = (m0 + m1, m1 + m2), G g = (g0, g0 + g1, g1)
//
// Images are channels-last (N, H, W, C), C a multiple of `lanes`. Plain loops over memory, without Torch. T is float,
// double, or Bfloat16: images and planes of factors are rounded to that, all sums and planes of products are float32.
#include <cstdint>
#include <type_traits>

namespace ddls::inference::winograd {

inline constexpr int64_t lanes = 8;

struct Bfloat16 {
  uint16_t bits;  // the upper half of a float
};

template <typename T>
using Product = std::conditional_t<std::is_same_v<T, Bfloat16>, float, T>;

struct TileGrid {
  int64_t images, rows, columns;  // of tiles
  int64_t stride;                 // 1 or 2: the big image's side over the small one's

  int64_t tiles() const { return images * rows * columns; }
  int64_t side() const { return stride == 1 ? 4 : 3; }  // of a tile of values: planes are its square
  int64_t planes() const { return side() * side(); }
  int64_t phases() const { return stride * stride; }
};

// Tiles [begin, end); tile `origin` is the first row of the planes.
struct TileRange {
  int64_t begin, end, origin;
};

struct ChannelRange {
  int64_t begin, end;  // multiples of `lanes`
};

// planes = B^T d B. `zeros`: `channels` zeros, what lies outside the image.
template <typename T>
void gather_big(const T* image, int64_t channels, T* const* planes, const T* zeros, const TileGrid& grid,
                TileRange tiles);

// The adjoint: image += what B v B^T gives to each place. Not for Bfloat16, which would be rounded at every addition.
// `spare`: room for `channels` values that fall outside the image.
template <typename T>
void scatter_big(T* image, int64_t channels, const T* const* planes, T* spare, const TileGrid& grid, TileRange tiles,
                 ChannelRange range);

// image = A^T m A + bias; what is negative times `slope`: 1 is no activation, 0 ReLU. `bias` may be null.
template <typename T>
void write_small(T* image, int64_t channels, const Product<T>* const* planes, const Product<T>* bias, Product<T> slope,
                 const TileGrid& grid, TileRange tiles);

// The adjoint: planes = A y A^T.
template <typename T>
void gather_small(const T* image, int64_t channels, T* const* planes, const TileGrid& grid, TileRange tiles);

}  // namespace ddls::inference::winograd
