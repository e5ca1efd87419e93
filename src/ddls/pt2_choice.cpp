#include "ddls/pt2_choice.hpp"

#include <ATen/ATen.h>

#include <array>

#include "base/error.hpp"
#include "base/log.hpp"
#include "tensor/pt2_compiled.hpp"

namespace ddls::sampling {
namespace {

struct NamedProgram {
  const char* name;
  tensor::Pt2Program Pt2Programs::*program;
  size_t outputs;
};
constexpr std::array<NamedProgram, 6> all_programs{{{"decode", &Pt2Programs::decode, 1},
                                                    {"ratio", &Pt2Programs::ratio, 1},
                                                    {"ratio_grad", &Pt2Programs::ratio_grad, 2},
                                                    {"score", &Pt2Programs::score, 1},
                                                    {"score_grad", &Pt2Programs::score_grad, 2},
                                                    {"decode_vjp", &Pt2Programs::decode_vjp, 1}}};

// What the portable programs make of the latents of the self-test, repeated to n rows.
struct TrialInputs {
  at::Tensor z, y, x;

  TrialInputs(const Pt2Programs& portable, const Pt2SelfTest& test, int64_t n) {
    const at::Tensor rows = at::arange(n, at::kLong).remainder(test.latents.size(0));
    z = test.latents.index_select(0, rows);
    if (test.labels.defined()) y = test.labels.index_select(0, rows);
    x = portable.decode({z, y}, 1).front();
  }
  std::vector<at::Tensor> of(const std::string& program) const {
    if (program == "decode_vjp") return {z, y, tensor::trial_gradients(x)};
    return {program.starts_with("score") ? x : z, y};
  }
};

// How far apart they are, in shares of the largest value. A compiled program may have the batch of its example written
// into it, so several are tried.
double compare(const Pt2Programs& compiled, const Pt2Programs& portable, const Pt2Description& about) {
  double largest = 0;
  for (const int64_t n : {int64_t{1}, int64_t{5}, about.test.latents.size(0)}) {
    const TrialInputs inputs(portable, about.test, n);
    const tensor::Pt2Trial trial(compiled.file, about.origin, fmt::format("a batch of {}", n));
    for (const auto& [name, program, outputs] : all_programs) {
      const tensor::Pt2Program& code = compiled.*program;
      if (!code || code.name() == name) continue;  // none, or the portable one
      const std::vector<at::Tensor> expected = (portable.*program)(inputs.of(name), outputs),
                                    given = trial.run(code, inputs.of(name), outputs);
      for (size_t i = 0; i < outputs; ++i)
        largest = std::max(largest, trial.compare(code, "values", given[i], expected[i], "as the portable one"));
    }
  }
  return largest;
}

// Throws Error(runtime) where one cannot be loaded.
std::vector<std::string> load_compiled(Pt2Programs& p, const tensor::Pt2Archive& archive, const TrialInputs& inputs) {
  std::vector<std::string> loaded;
  for (const auto& [name, program, outputs] : all_programs) {
    if (!(p.*program) || archive.compiled.count(name) == 0) continue;
    p.*program = tensor::compiled_program(archive, name, inputs.of(name));
    loaded.emplace_back(name);
  }
  return loaded;
}

void take_compiled(Pt2Programs& p, const tensor::Pt2Archive& archive, const Pt2Description& about, c10::Device device) {
  const auto stay = [&](const std::string& why) { log::info("{}: its portable programs run: {}", p.file, why); };
  if (const std::string why = tensor::why_not_compiled(archive, about.origin, device); !why.empty()) return stay(why);
  Pt2Programs compiled = p;
  std::vector<std::string> names;
  try {
    names = load_compiled(compiled, archive, TrialInputs(p, about.test, about.test.latents.size(0)));
  } catch (const Error& error) {
    if (error.code() != Exit::runtime) throw;
    return stay(error.what());
  }
  if (names.empty()) return stay(fmt::format("compiled is only {}", fmt::join(archive.compiled, ", ")));
  const double apart = compare(compiled, p, about);
  compiled.compiled = tensor::instruction_set(archive, names.front());
  log::info("{}: its programs that are compiled for {} run ({}); they are within {:.1g} of the portable ones", p.file,
            compiled.compiled, fmt::join(names, ", "), apart);
  p = std::move(compiled);
}

}  // namespace

Pt2ProgramsPtr tried_programs(Pt2Programs portable, const tensor::Pt2Archive& archive, const Pt2Description& about,
                              const std::string& compiled, c10::Device device) {
  tensor::require_device(about.origin, portable.file, device);
  run_self_test(portable, about, device);
  if (compiled == "auto")
    take_compiled(portable, archive, about, device);
  else if (!archive.compiled.empty())
    log::info("{}: its portable programs run; the compiled ones are native code, which model.compiled: auto allows",
              portable.file);
  return std::make_shared<const Pt2Programs>(std::move(portable));
}

}  // namespace ddls::sampling
