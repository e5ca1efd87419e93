#include "inference/processor.hpp"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <array>
#include <span>
#include <string>
#include <string_view>

namespace ddls::inference {
namespace {

bool has(const char* name) {
  static const auto processor = at::cpu::get_cpu_capabilities();
  const auto found = processor.find(name);
  return found != processor.end() && found->second.toBool();
}

// oneDNN's limit as it reads it: of any case, and a name that it does not know is none.
bool allowed(std::span<const std::string_view> without) {
  const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (limit == nullptr) limit = std::getenv("DNNL_MAX_CPU_ISA");
  if (limit == nullptr) return true;
  std::string name = limit;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return std::find(without.begin(), without.end(), name) == without.end();
}

// Limits that leave neither, and those that leave pairs without tiles.
constexpr std::array<std::string_view, 7> no_pairs{
    "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"};
constexpr std::array<std::string_view, 4> no_tiles{"AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512",
                                                   "AVX10_2_512"};

}  // namespace

bool multiplies_bfloat16_pairs() {
  static const bool pairs = has("avx512_bf16") && allowed(no_pairs);
  return pairs;
}

bool multiplies_bfloat16_tiles() {
  static const bool tiles = has("amx_bf16") && allowed(no_pairs) && allowed(no_tiles);
  return tiles;
}

}  // namespace ddls::inference
