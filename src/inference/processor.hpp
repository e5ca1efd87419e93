#pragma once
// What bfloat16 is multiplied by here: what the processor has and ONEDNN_MAX_CPU_ISA, oneDNN's limit, leaves.

namespace ddls::inference {

bool multiplies_bfloat16_pairs();  // AVX-512's dot products
bool multiplies_bfloat16_tiles();  // AMX

}  // namespace ddls::inference
