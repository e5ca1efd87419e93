# What the libraries need, also those of an installed package (ddls_distConfig.cmake).
find_package(MPI REQUIRED COMPONENTS C)
find_package(Threads REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
# Torch's include folder holds fmt 12, Debian's spdlog needs fmt 9. A folder that holds only a link to the system's
# fmt, searched before every SYSTEM folder, gives all translation units the same one.
find_path(FMT_INCLUDE_DIR fmt/core.h REQUIRED)
find_library(FMT_LIBRARY fmt REQUIRED)
find_library(SPDLOG_LIBRARY spdlog REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_first)
file(CREATE_LINK ${FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/fmt_first/fmt SYMBOLIC)
add_library(ddls_log_libraries INTERFACE IMPORTED GLOBAL)
target_compile_options(ddls_log_libraries INTERFACE -I${CMAKE_BINARY_DIR}/fmt_first)  # an imported target's include folders are SYSTEM ones
target_compile_definitions(ddls_log_libraries INTERFACE SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL SPDLOG_SHARED_LIB FMT_SHARED)
target_link_libraries(ddls_log_libraries INTERFACE ${SPDLOG_LIBRARY} ${FMT_LIBRARY})

include(CudaWheel)
