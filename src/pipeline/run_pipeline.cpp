#include "pipeline/stages.hpp"

namespace ddls::pipeline {

std::string run_pipeline(Run& run) {
  check_evaluation(run);
  const TrainedTarget trained = train_stage(run);
  sample_stage(run, trained);
  evaluate_stage(run, &trained);
  return report_stage(run);
}

}  // namespace ddls::pipeline
