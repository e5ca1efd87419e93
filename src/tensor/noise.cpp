#include "tensor/noise.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "base/philox.hpp"

namespace ddls {
namespace {

// The 23 high bits as the midpoint of one of 2^23 equal cells: exact in float32, never 0, never 1.
float to_unit(uint32_t bits) { return (static_cast<float>(bits >> 9) + 0.5F) * 0x1p-23F; }

// Calls fill(row pointer offset, four random words) for every group of four columns.
template <typename Emit>
at::Tensor generate(uint64_t seed, IdRange ids, int64_t dim, int64_t step, Stream stream, Emit emit) {
  at::Tensor out = at::empty({ids.size(), dim}, at::kFloat);
  float* row = out.data_ptr<float>();
  const PhiloxKey key{static_cast<uint32_t>(seed),
                      static_cast<uint32_t>(seed >> 32) ^ (static_cast<uint32_t>(stream) * 0x9E3779B9U)};
  const auto step_low = static_cast<uint32_t>(step);
  const auto step_high = static_cast<uint32_t>(static_cast<uint64_t>(step) >> 32) << 16;
  for (int64_t id = ids.begin; id < ids.end; ++id, row += dim) {
    const auto id_high = static_cast<uint32_t>(static_cast<uint64_t>(id) >> 32) & 0xFFFFU;
    for (int64_t column = 0; column < dim; column += 4) {
      const PhiloxCounter words = philox4x32(
          {static_cast<uint32_t>(column / 4), static_cast<uint32_t>(id), step_low, step_high | id_high}, key);
      float values[4];
      emit(words, values);
      for (int64_t i = 0; i < 4 && column + i < dim; ++i) row[column + i] = values[i];
    }
  }
  return out;
}

}  // namespace

at::Tensor Noise::normal(IdRange ids, int64_t dim, int64_t step, Stream stream) const {
  return generate(seed, ids, dim, step, stream, [](const PhiloxCounter& words, float* out) {
    for (int pair = 0; pair < 4; pair += 2) {
      const float radius = std::sqrt(-2.0F * std::log(to_unit(words[pair])));
      const float angle = 2.0F * std::numbers::pi_v<float> * to_unit(words[pair + 1]);
      out[pair] = radius * std::cos(angle);
      out[pair + 1] = radius * std::sin(angle);
    }
  });
}

at::Tensor Noise::uniform(IdRange ids, int64_t dim, int64_t step, Stream stream) const {
  return generate(seed, ids, dim, step, stream, [](const PhiloxCounter& words, float* out) {
    for (int i = 0; i < 4; ++i) out[i] = to_unit(words[i]);
  });
}

}  // namespace ddls
