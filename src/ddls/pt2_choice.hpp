#pragma once
// Which programs of an archive run: the portable ones, or those that are compiled for this machine.
#include "ddls/pt2_programs.hpp"

namespace ddls::sampling {

// Holds `portable` against the archive's self-test. Then, where `compiled` is "auto" (model.compiled), puts compiled
// programs in their places: those that fit this machine, can be loaded and give the same values, at several batch
// sizes, to the archive's tolerance. One line of the log says what runs, and why. Throws Error naming the file: config
// for a device that the archive was not made for; data where either kind gives other values than it should.
Pt2ProgramsPtr tried_programs(Pt2Programs portable, const tensor::Pt2Archive& archive, const Pt2Description& about,
                              const std::string& compiled, c10::Device device);

}  // namespace ddls::sampling
