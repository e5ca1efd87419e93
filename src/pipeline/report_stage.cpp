#include "pipeline/stages.hpp"
#include "report/report.hpp"

namespace ddls::pipeline {

void picture_stage(Run& run) {
  if (!run.writes()) return;
  run.comm.on_root([&] { report::write_pictures(run.folder, run.config.sample.methods); });
}

std::string report_stage(Run& run) {
  return run.comm.on_root([&] {
    report::write_report(run.folder);
    return report::summary_text(run.folder);
  });
}

}  // namespace ddls::pipeline
