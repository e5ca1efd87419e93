# ddls_embed_sources(OUTPUT files...): a C++ source that holds the text of these files of src/ (see device/kernel_sources.hpp). As a
# script (cmake -P) it writes that source.
if(CMAKE_SCRIPT_MODE_FILE)
  string(REPLACE "|" ";" files "${FILES}")
  set(text "#include \"device/kernel_sources.hpp\"\n\nnamespace ddls::device {\n\nstd::span<const SourceText> kernel_sources() {\n")
  string(APPEND text "  static constexpr SourceText all[] = {\n")
  foreach(file IN LISTS files)
    file(READ ${ROOT}/${file} content)
    string(APPEND text "{\"${file}\", R\"ddls_text(${content})ddls_text\"},\n")
  endforeach()
  string(APPEND text "  };\n  return all;\n}\n\n}  // namespace ddls::device\n")
  file(WRITE ${OUTPUT} "${text}")
  return()
endif()

function(ddls_embed_sources output)
  list(TRANSFORM ARGN PREPEND ${CMAKE_SOURCE_DIR}/src/ OUTPUT_VARIABLE paths)
  list(JOIN ARGN "|" files)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DROOT=${CMAKE_SOURCE_DIR}/src "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/EmbedText.cmake
    DEPENDS ${paths} ${CMAKE_SOURCE_DIR}/cmake/EmbedText.cmake
    COMMENT "Copying the text of GPU kernels"
    VERBATIM)
endfunction()
