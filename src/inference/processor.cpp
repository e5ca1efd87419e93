#include "inference/processor.hpp"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

namespace ddls::inference {
namespace {

bool has(const char* name) {
  static const auto processor = at::cpu::get_cpu_capabilities();
  const auto found = processor.find(name);
  return found != processor.end() && found->second.toBool();
}

// oneDNN's names of instruction sets contain those that they build on.
bool allowed(std::initializer_list<std::string_view> names) {
  const char* const limit = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (limit == nullptr) return true;
  return std::any_of(names.begin(), names.end(),
                     [&](auto name) { return std::string_view(limit).find(name) != std::string_view::npos; });
}

}  // namespace

bool multiplies_bfloat16_pairs() {
  static const bool pairs = has("avx512_bf16") && allowed({"BF16", "FP16", "AMX", "AVX10", "DEFAULT"});
  return pairs;
}

bool multiplies_bfloat16_tiles() {
  static const bool tiles = has("amx_bf16") && allowed({"AMX", "DEFAULT"});
  return tiles;
}

}  // namespace ddls::inference
