#include "inference/winograd/winograd.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "inference/winograd/tiles.hpp"

namespace ddls::inference::winograd {
namespace {

at::Tensor channels_last(const at::Tensor& image) { return image.contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor empty_image(at::IntArrayRef shape, const at::Tensor& like) {
  return at::empty(shape, like.options(), at::MemoryFormat::ChannelsLast);
}

TileGrid grid_of(const at::Tensor& small, int64_t stride) {
  return {small.size(0), small.size(2) / 2, small.size(3) / 2, stride};
}

// G (x) G, [planes, taps], with the taps of a phase only for stride 2.
at::Tensor kernel_map(int64_t stride, const at::Tensor& like) {
  const at::Tensor map = stride == 1
                             ? at::tensor({1., 0., 0., .5, .5, .5, .5, -.5, .5, 0., 0., 1.}, at::kDouble).view({4, 3})
                             : at::tensor({1., 0., 1., 1., 0., 1.}, at::kDouble).view({3, 2});
  return at::kron(map, map).to(like.options());
}

template <typename T>
constexpr at::ScalarType type_of = c10::CppTypeToScalarType<T>::value;
template <>
constexpr at::ScalarType type_of<Bfloat16> = at::kBFloat16;

template <typename T>
T* values_of(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

// Calls `work` with a value of the type that images of `type` have in tiles.hpp.
template <typename Work>
void by_type(at::ScalarType type, Work work) {
  switch (type) {
    case at::kFloat:
      return work(float{});
    case at::kDouble:
      return work(double{});
    case at::kBFloat16:
      return work(Bfloat16{});
    default:
      fail(Exit::internal, "Winograd convolution of {}", c10::toString(type));
  }
}

// The planes of the tiles that are worked on at a time, which should stay in the processor's caches.
template <typename T>
class Planes {
 public:
  Planes(const TileGrid& grid, int64_t tiles, int64_t width, const at::Tensor& like)
      : values_(at::empty({grid.planes(), tiles, width}, like.options().dtype(type_of<T>))) {}

  at::Tensor of(int64_t tiles) const { return values_.narrow(1, 0, tiles); }
  std::vector<T*> pointers() const {
    std::vector<T*> p;
    for (int64_t i = 0; i < values_.size(0); ++i) p.push_back(values_of<T>(values_) + i * values_.stride(0));
    return p;
  }

 private:
  at::Tensor values_;
};

// Both sides' planes, some tiles at a time; `work` gets a range and the two tensors of planes, big and small.
template <typename Big, typename Small, typename Work>
void by_tiles(const TileGrid& grid, int64_t big_width, int64_t small_width, int64_t least, const at::Tensor& like,
              Work work) {
  constexpr int64_t bytes_at_a_time = 4 << 20;
  const int64_t bytes_of_tile = grid.planes() * (big_width * static_cast<int64_t>(sizeof(Big)) +
                                                 small_width * static_cast<int64_t>(sizeof(Small)));
  const int64_t chunk = std::min(grid.tiles(), std::max(least, bytes_at_a_time / bytes_of_tile));
  const Planes<Big> big(grid, chunk, big_width, like);
  const Planes<Small> small(grid, chunk, small_width, like);
  const std::vector<Big*> big_pointers = big.pointers();
  const std::vector<Small*> small_pointers = small.pointers();
  for (int64_t begin = 0; begin < grid.tiles(); begin += chunk) {
    const TileRange range{begin, std::min(grid.tiles(), begin + chunk), begin};
    const int64_t tiles = range.end - range.begin;
    work(range, big.of(tiles), big_pointers.data(), small.of(tiles), small_pointers.data());
  }
}

template <typename Part>
void parallel(TileRange all, Part part) {
  at::parallel_for(all.begin, all.end, 32, [&](int64_t begin, int64_t end) { part({begin, end, all.origin}); });
}

template <typename T>
void big_to_small_of(at::Tensor& y, const at::Tensor& x, const Kernels& kernels, const Epilogue& epilogue,
                     const TileGrid& grid) {
  using Sum = Product<T>;
  const int64_t from = x.size(1), to = y.size(1);
  const at::Tensor zeros = at::zeros({from}, x.options()),
                   bias = epilogue.bias.defined() ? epilogue.bias.to(type_of<Sum>) : at::Tensor();
  const Sum* bias_values = bias.defined() ? bias.const_data_ptr<Sum>() : nullptr;
  by_tiles<T, Sum>(
      grid, grid.phases() * from, to, 64, x,
      [&](TileRange range, const at::Tensor& big, T* const* big_planes, at::Tensor small, Sum* const* small_planes) {
        parallel(range, [&](TileRange part) {
          gather_big(values_of<T>(x), from, big_planes, values_of<T>(zeros), grid, part);
        });
        kernels.right.multiply(small, big);
        parallel(range, [&](TileRange part) {
          write_small<T>(values_of<T>(y), to, small_planes, bias_values, static_cast<Sum>(epilogue.slope), grid, part);
        });
      });
}

template <typename T>
at::Tensor small_to_big_of(const at::Tensor& y, const Kernels& kernels, const at::Tensor& bias) {
  using Sum = Product<T>;
  const TileGrid grid = grid_of(y, kernels.stride);
  const int64_t from = y.size(1), to = kernels.big;
  at::Tensor x = at::empty({y.size(0), to, y.size(2) * kernels.stride, y.size(3) * kernels.stride},
                           y.options().dtype(type_of<Sum>), at::MemoryFormat::ChannelsLast);
  if (bias.defined())
    x.copy_(bias.view({1, -1, 1, 1}));
  else
    x.zero_();
  at::Tensor spare = at::empty({to}, x.options());
  by_tiles<Sum, T>(
      grid, grid.phases() * to, from, 64, y,
      [&](TileRange range, at::Tensor big, Sum* const* big_planes, const at::Tensor& small, T* const* small_planes) {
        parallel(range, [&](TileRange part) { gather_small(values_of<T>(y), from, small_planes, grid, part); });
        kernels.right.multiply(big, small);
        // Tiles overlap, channels do not.
        at::parallel_for(0, to / lanes, 4, [&](int64_t begin, int64_t end) {
          scatter_big<Sum>(x.data_ptr<Sum>(), to, big_planes, spare.data_ptr<Sum>(), grid, range,
                           {begin * lanes, end * lanes});
        });
      });
  return x.to(y.scalar_type());
}

template <typename T>
at::Tensor kernel_gradient_of(const at::Tensor& x, const at::Tensor& dy, const TileGrid& grid) {
  const int64_t from = x.size(1), to = dy.size(1), width = grid.phases() * from;
  const at::Tensor zeros = at::zeros({from}, x.options());
  at::Tensor sum = at::zeros({grid.planes(), to, width}, x.options().dtype(type_of<Product<T>>));
  by_tiles<T, T>(grid, width, to, 256, x,
                 [&](TileRange range, const at::Tensor& big, T* const* big_planes, const at::Tensor& small,
                     T* const* small_planes) {
                   parallel(range, [&](TileRange part) {
                     gather_big(values_of<T>(x), from, big_planes, values_of<T>(zeros), grid, part);
                     gather_small(values_of<T>(dy), to, small_planes, grid, part);
                   });
                   if constexpr (std::is_same_v<T, Product<T>>)
                     sum.baddbmm_(small.transpose(1, 2), big);
                   else
                     sum.add_(at::bmm(small.transpose(1, 2), big));
                 });
  return sum;
}

// Planes cost memory traffic in proportion to C + K and save arithmetic in proportion to C K.
bool wide_enough(int64_t from, int64_t to) { return from * to >= 32 * (from + to); }

bool type_pays(at::ScalarType type) { return type == at::kFloat || (type == at::kBFloat16 && bfloat16_pays()); }

}  // namespace

bool pays_for(const at::Tensor& weight, int64_t stride, int64_t padding, at::ScalarType type) {
  const int64_t to = weight.size(0), from = weight.size(1), kernel = weight.size(2);
  const bool kind = padding == 1 && ((stride == 1 && kernel == 3) || (stride == 2 && kernel == 4));
  if (!kind || !weight.is_cpu() || !wide_enough(stride * stride * from, to)) return false;
  const int64_t step = type == at::kBFloat16 ? 16 : lanes;  // whole vectors; in bfloat16 of its 16 pairs' products
  return type_pays(type) && from % step == 0 && to % step == 0;
}

bool tiles_fit(int64_t height, int64_t width) { return height % 2 == 0 && width % 2 == 0; }

at::Tensor transformed(const at::Tensor& weight, int64_t stride) {
  const int64_t to = weight.size(0), from = weight.size(1);
  const at::Tensor map = kernel_map(stride, weight);
  if (stride == 1) return at::mm(map, weight.permute({2, 3, 0, 1}).reshape({9, -1})).view({16, to, from});
  // A tap is 2 b + phase, of block b = 0, 1 of the kernel.
  const at::Tensor blocks = weight.permute({2, 3, 0, 1}).reshape({2, 2, 2, 2, to, from}).permute({0, 2, 4, 1, 3, 5});
  return at::mm(map, blocks.reshape({4, -1})).view({9, to, 4 * from});
}

Kernels::Kernels(Result direction, const at::Tensor& transformed)
    : stride(transformed.size(0) == 16 ? 1 : 2),
      small(transformed.size(1)),
      big(transformed.size(2) / (stride * stride)),
      numel(transformed.numel()),
      right(direction == Result::big ? transformed : transformed.transpose(1, 2)) {}

at::Tensor big_to_small(const at::Tensor& x, const Kernels& kernels, const Epilogue& epilogue) {
  const at::Tensor big = channels_last(x);
  at::Tensor y = empty_image({x.size(0), kernels.small, x.size(2) / kernels.stride, x.size(3) / kernels.stride}, x);
  const TileGrid grid = grid_of(y, kernels.stride);
  by_type(x.scalar_type(), [&](auto type) { big_to_small_of<decltype(type)>(y, big, kernels, epilogue, grid); });
  return y;
}

at::Tensor small_to_big(const at::Tensor& y, const Kernels& kernels, const at::Tensor& bias) {
  const at::Tensor small = channels_last(y);
  at::Tensor x;
  by_type(y.scalar_type(), [&](auto type) { x = small_to_big_of<decltype(type)>(small, kernels, bias); });
  return x;
}

at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy) {
  const int64_t stride = x.size(2) / dy.size(2), from = x.size(1), to = dy.size(1);
  const TileGrid grid = grid_of(dy, stride);
  const at::Tensor big = channels_last(x), small = channels_last(dy);
  at::Tensor kernels;
  by_type(x.scalar_type(), [&](auto type) { kernels = kernel_gradient_of<decltype(type)>(big, small, grid); });
  const at::Tensor taps = at::mm(kernel_map(stride, kernels).t(), kernels.flatten(1));
  at::Tensor gradient =
      at::empty({to, from, stride + 2, stride + 2}, kernels.options(), at::MemoryFormat::ChannelsLast);
  if (stride == 1)
    gradient.permute({2, 3, 0, 1}).copy_(taps.view({3, 3, to, from}));
  else
    gradient.permute({2, 3, 0, 1})
        .view({2, 2, 2, 2, to, from})
        .copy_(taps.view({2, 2, to, 2, 2, from}).permute({0, 3, 1, 4, 2, 5}));
  return gradient;
}

}  // namespace ddls::inference::winograd
